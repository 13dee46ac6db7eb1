"""The files around the code: what could break in them without any test of the code noticing."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from source_tree import PACKAGE, ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
PINS = [Requirement(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
PINNED = {canonicalize_name(pin.name): pin for pin in PINS}
TESTED_EXTRAS = ("dev", "optuna")

#: In a Dockerfile each instruction stands at a line's start.
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if re.match(r"[A-Z]+ ", line)]


def requirements() -> list[Requirement]:
    listed = [*PROJECT["dependencies"]]
    for extra in TESTED_EXTRAS:
        listed += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in listed]


def version_of(pin: Requirement) -> Version:
    return Version(str(pin.specifier).removeprefix("=="))


# constraints.txt


def test_constraints_pin_versions_and_nothing_else():
    assert len(PINS) == len(PINNED) > 100
    for pin in PINS:
        assert re.fullmatch(r"==[\w.!]+", str(pin.specifier)), f"{pin}: expected one plain version, no local label"
        assert pin.url is None
        assert not pin.extras


@pytest.mark.parametrize("requirement", requirements(), ids=str)
def test_what_the_project_asks_for_is_pinned_within_its_bounds(requirement: Requirement):
    pin = PINNED[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version_of(pin)), pin


def test_the_project_itself_pins_nothing():
    for requirement in requirements():
        assert {part.operator for part in requirement.specifier} == {">="}, f"{requirement}: expected a lower bound"


def test_the_oldest_python_is_left_a_choice_where_a_pin_has_no_release_for_it():
    oldest = PROJECT["requires-python"].removeprefix(">=")
    looked_at = 0
    for pin in PINS:
        try:
            installed = importlib.metadata.distribution(pin.name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if Version(installed.version).public != str(version_of(pin)):
            continue
        looked_at += 1
        needs = installed.metadata.get("Requires-Python")
        applies = pin.marker is None or pin.marker.evaluate({"python_version": oldest})
        if applies and needs:
            assert Requirement(f"x{needs}").specifier.contains(f"{oldest}.0"), f"{pin} needs Python {needs}"
    if looked_at == 0:
        pytest.skip("none of the pinned versions is installed here")


def test_torch_and_torchvision_are_pinned_under_the_same_condition():
    torch, torchvision = PINNED["torch"].marker, PINNED["torchvision"].marker
    assert torch == torchvision == Marker('python_version >= "3.11"')


def test_the_installed_torch_and_torchvision_are_a_pair():
    torch, torchvision = (importlib.metadata.distribution(name) for name in ("torch", "torchvision"))
    asked = next(r for r in map(Requirement, torchvision.requires or []) if r.name == "torch")
    assert asked.specifier.contains(torch.version, prereleases=True)
    # "+cpu" beside "+cu130", or beside none, means that they came from different indexes.
    assert Version(torch.version).local == Version(torchvision.version).local


def test_torchvision_reaches_its_compiled_operators():
    import torch
    import torchvision

    # Two equal boxes and one apart: the weaker twin goes, the others stay, the strongest first.
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0], [5.0, 5.0, 6.0, 6.0]])
    kept = torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9, 0.7]), iou_threshold=0.5)
    assert kept.tolist() == [1, 2]


# The wheel


def test_the_wheel_holds_the_whole_package(tmp_path: Path):
    tree = tmp_path / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", PROJECT["readme"]):
        shutil.copy(ROOT / name, tree / name)
    shutil.copytree(PACKAGE, tree / "lightning_hpo", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(tmp_path), str(tree)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("lightning_hpo-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if ".dist-info/" not in name}
        entry_points = next(archive.read(n).decode() for n in archive.namelist() if n.endswith("entry_points.txt"))
    files = {str(path.relative_to(ROOT)) for path in PACKAGE.rglob("*") if path.is_file()}
    assert inside == {name for name in files if "__pycache__" not in name}
    assert "lightning_hpo/py.typed" in inside
    assert "lightning-hpo = lightning_hpo.cli:main" in entry_points


# Dockerfile


def test_what_the_image_copies_is_there_and_is_sent_to_docker():
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    sent = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    sources = [source for name, rest in INSTRUCTIONS if name == "COPY" for source in rest.split()[:-1]]
    assert patterns[0] == "*"
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, pattern) for pattern in sent), f"{source} is left out by .dockerignore"
    assert sorted(sent) == sorted(sources)


def test_the_image_runs_the_command_as_somebody_who_is_not_root():
    users = [rest for name, rest in INSTRUCTIONS if name == "USER"]
    assert users
    assert int(users[-1].split(":")[0]) > 0  # Kubernetes' runAsNonRoot can judge a number only
    assert ["ENTRYPOINT", '["lightning-hpo"]'] in INSTRUCTIONS
    assert "lightning-hpo" in PROJECT["scripts"]


def test_the_base_image_is_an_argument():
    names = [name for name, _ in INSTRUCTIONS]
    assert names[:2] == ["ARG", "FROM"]
    assert INSTRUCTIONS[0][1].startswith("BASE=")
    assert INSTRUCTIONS[1][1] == "${BASE}"


# Makefile and gate


@pytest.mark.parametrize(("name", "text"), [("Dockerfile", DOCKERFILE), ("Makefile", (ROOT / "Makefile").read_text())])
def test_installing_is_always_constrained(name: str, text: str):
    installs = [line for line in text.splitlines() if "pip install" in line and not line.startswith("#")]
    assert installs
    assert [line for line in installs if "--constraint constraints.txt" not in line] == [], name


@pytest.mark.parametrize(
    "name", ["pyproject.toml", "constraints.txt", "Makefile", "Dockerfile", ".dockerignore", ".ci/run"]
)
def test_where_packages_come_from_is_the_users_own_matter(name: str):
    text = (ROOT / name).read_text()
    assert re.findall(r"\w+://\S+|--(?:extra-)?index-url|--find-links|--trusted-host|--no-index", text) == []


def test_the_gate_is_make_test():
    script = ROOT / ".ci/run"
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert os.access(script, os.X_OK)
    assert [line for line in lines if not line.startswith(("set ", "cd "))] == ["make test"]


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize(
    ("target", "commands"),
    [
        ("demo", ["-m venv", "--editable .", "lightning-hpo run recipes/digits-mlp.yaml"]),
        ("test", ["-m venv", "--editable '.[dev]'", "python -m pytest"]),
        ("check", ["ruff format --check .", "ruff check .", "/mypy", "python -m pytest"]),
        ("bench", ["python benchmarks/overhead.py"]),
    ],
)
def test_make_runs_these_commands_in_this_order(target: str, commands: list[str], tmp_path: Path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    shown = subprocess.run(
        ["make", "--dry-run", target, f"VENV={tmp_path / 'venv'}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    places = [shown.find(command) for command in commands]
    assert -1 not in places, shown
    assert places == sorted(places)


def test_the_demo_has_its_recipe():
    assert (ROOT / "recipes/digits-mlp.yaml").is_file()
