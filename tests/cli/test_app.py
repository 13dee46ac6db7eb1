"""The commands, their help and their exit codes."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from lightning_hpo.cli import app as module
from lightning_hpo.errors import ClusterError, InternalError, NoTrialSucceeded, RunInterrupted, UsageError

Cli = Callable[..., Any]

COMMANDS = ["run", "resume", "extend", "validate", "init", "schema", "status", "best", "ls"]


def test_every_command_is_known():
    # A command that joins is to be named here, so that its help is read.
    assert [command.name or command.callback.__name__ for command in module.app.registered_commands] == COMMANDS


@pytest.mark.parametrize("command", [*COMMANDS, None])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_says_what_a_command_does_and_takes(cli: Cli, command: str | None, flag: str):
    answer = cli(*([command] if command else []), flag)
    assert answer.code == 0
    assert answer.err == ""
    assert answer.out.strip().startswith("Usage: ")
    if command:
        callback = next(c.callback for c in module.app.registered_commands if command in (c.name, c.callback.__name__))
        assert callback.__doc__ in " ".join(answer.out.split())
    else:
        assert [name for name in COMMANDS if f"\n  {name} " not in answer.out] == []
        assert "--install-completion" in answer.out
        assert "--show-completion" in answer.out


def test_help_names_no_argument_twice(cli: Cli):
    for command in COMMANDS:
        assert "[[" not in cli(command, "--help").out


def test_without_a_command_the_help_is_shown(cli: Cli):
    assert "Commands:" in "".join([(answer := cli()).out, answer.err])
    assert answer.code in (0, 2)  # which one is click's choice, and changed with its version 8.2


def test_the_version_is_the_packages(cli: Cli):
    from importlib.metadata import version

    assert cli("--version").out == version("lightning-hpo") + "\n"


@pytest.mark.parametrize("command", [None, "run", "init", "best"])
def test_help_loads_nothing_heavy(command: str | None):
    words = [command] if command else []
    code = f"""
import sys
sys.argv = ["lightning-hpo", *{words!r}, "--help"]
from lightning_hpo.cli import main
try:
    main()
except SystemExit:
    pass
heavy = ("torch", "ray", "numpy", "ruamel", "rich.live", "rich.console", "rich.table", "lightning_hpo.recipe")
print("HEAVY", [name for name in heavy if name in sys.modules])
"""
    assert run_python(code).splitlines()[-1] == "HEAVY []"


def run_python(code: str) -> str:
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_help_answers_at_once(command: Cli, here: Path):
    # Alone on a machine this takes 0.2 s; the best of a few, since the machine may be busy.
    def seconds() -> float:
        began = time.monotonic()
        assert command("--help", cwd=here).code == 0
        return time.monotonic() - began

    assert min(seconds() for _ in range(3)) < 1.5


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_shown(command: Cli, here: Path, shell: str):
    answer = command("--show-completion", shell, cwd=here, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert answer.code == 0
    assert "_LIGHTNING_HPO_COMPLETE" in answer.out


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("no"), 2),
        (NoTrialSucceeded("no"), 3),
        (ClusterError("no"), 4),
        (RunInterrupted("no", "runs/1"), 130),
        (InternalError("no"), 70),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_error_is_printed_without_a_traceback(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]):
    @module._told
    def fail() -> None:
        raise error

    with pytest.raises(typer.Exit) as end:
        fail()
    assert end.value.exit_code == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Interrupted." if isinstance(error, KeyboardInterrupt) else "no")
    assert "Traceback" not in said.err


def test_a_fault_of_ours_shows_its_traceback_and_asks_for_a_report(capsys: pytest.CaptureFixture[str]):
    @module._told
    def fail() -> None:
        raise ZeroDivisionError("division by zero")

    with pytest.raises(typer.Exit) as end:
        fail()
    assert end.value.exit_code == 70
    said = capsys.readouterr().err
    assert "ZeroDivisionError: division by zero" in said
    assert said.rstrip().endswith("This is a fault of lightning-hpo: please report it with this traceback.")


def test_a_reader_that_has_seen_enough_is_no_error(command: Cli, here: Path):
    import subprocess

    script = Path(sys.executable).with_name("lightning-hpo")
    done = subprocess.run(
        f"{script} schema | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ},
    )
    assert done.stdout.split() == ["{", "0"]
    assert done.stderr == ""
