from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from lightning_hpo.errors import InternalError, RunFolderError
from lightning_hpo.results import MetricsFile, TrialFolder
from lightning_hpo.trial import Report


@pytest.fixture
def trial(here: Path) -> TrialFolder:
    return TrialFolder(here / "trials" / "0007").create()


def test_a_trial_folder_is_named_by_the_number(trial: TrialFolder) -> None:
    assert (TrialFolder.name(7), TrialFolder.name(12345)) == ("0007", "12345")
    assert trial.id == 7
    assert repr(trial) == "TrialFolder('trials/0007')"


@pytest.mark.parametrize("name", ["best", "-1", "²"])
def test_a_folder_named_otherwise_is_no_trial(here: Path, name: str) -> None:
    with pytest.raises(InternalError, match="is not named by a number"):
        TrialFolder(here / name)


def test_the_paths_are_those_that_people_were_told(trial: TrialFolder) -> None:
    parts = [trial.config, trial.metrics, trial.log, trial.error, trial.checkpoints, trial.checkpoint]
    assert [str(part.relative_to(trial.path)) for part in parts] == [
        "config.json",
        "metrics.csv",
        "log.txt",
        "error.txt",
        "checkpoints",
        "checkpoints/last.ckpt",
    ]


def test_a_relative_path_stays_the_same_folder_in_another_process(here: Path) -> None:
    folder = TrialFolder("trials/0003")
    assert folder.path == here / "trials" / "0003"
    assert pickle.loads(pickle.dumps(folder)).path == folder.path


def test_creating_twice_is_the_same(trial: TrialFolder) -> None:
    trial.write_error("Traceback\nValueError: x\n")
    assert trial.create() is trial
    assert trial.error.read_text() == "Traceback\nValueError: x\n"


def test_a_folder_below_a_file_cannot_be_made(here: Path) -> None:
    (here / "plain").write_text("")
    with pytest.raises(RunFolderError, match="plain/0001 cannot be made: Not a directory"):
        TrialFolder(here / "plain" / "0001").create()


def test_a_config_comes_back(trial: TrialFolder) -> None:
    config = {"model.lr": 0.1, "layers": [1, 2], "näme": None}
    trial.write_config(config)
    assert trial.read_config() == config
    assert "näme" in trial.config.read_text(encoding="utf-8")


def test_a_config_that_is_missing_or_damaged_is_named(trial: TrialFolder) -> None:
    with pytest.raises(RunFolderError, match=r"trials/0007/config\.json cannot be read"):
        trial.read_config()
    trial.config.write_text("{")
    with pytest.raises(RunFolderError, match=r"trials/0007/config\.json is damaged: .* Expected a config in JSON"):
        trial.read_config()


def test_the_curve_is_the_metrics_file_as_reports(trial: TrialFolder) -> None:
    assert trial.curve() == []
    file = MetricsFile(trial.metrics)
    file.append(1, {"acc": 0.5})
    file.append(2, {"acc": 0.75})
    assert trial.curve() == [
        Report(trial=7, step=1, metrics={"acc": 0.5}),
        Report(trial=7, step=2, metrics={"acc": 0.75}),
    ]


def test_dropping_checkpoints_drops_nothing_else(trial: TrialFolder) -> None:
    trial.drop_checkpoints()
    trial.checkpoints.mkdir()
    trial.checkpoint.write_bytes(b"weights")
    trial.write_config({})
    trial.drop_checkpoints()
    assert [path.name for path in trial.path.iterdir()] == ["config.json"]
