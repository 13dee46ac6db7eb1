from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_hpo.errors import RunFolderError
from lightning_hpo.results import Closed, Ended, Event, Opened, RunFolder
from lightning_hpo.trial import Outcome, Status

Story = Callable[..., list[Event]]


def everything_under(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_creating_makes_the_parents_and_an_empty_journal(here: Path) -> None:
    folder = RunFolder.create("a/b/run")
    assert folder.path == here / "a" / "b" / "run"
    assert everything_under(here) == ["a", "a/b", "a/b/run", "a/b/run/journal.jsonl"]
    assert (str(folder), folder.name, repr(folder)) == ("a/b/run", "run", "RunFolder('a/b/run')")


def test_an_empty_folder_that_is_there_is_taken(here: Path) -> None:
    (here / "run").mkdir()
    assert RunFolder.create(here / "run").journal.path.exists()


def test_the_paths_are_those_that_people_were_told(here: Path) -> None:
    folder = RunFolder("run")
    parts = [folder.recipe, folder.journal.path, folder.results_csv, folder.assembly, folder.trial(7).path]
    assert [str(part.relative_to(here / "run")) for part in parts] == [
        "recipe.yaml",
        "journal.jsonl",
        "results.csv",
        "assembly.pkl",
        "trials/0007",
    ]


# What `create` refuses; whatever it refuses, it leaves the disk as it was.


def test_a_run_is_not_written_over(folder: RunFolder, here: Path) -> None:
    before = everything_under(here)
    with pytest.raises(RunFolderError) as caught:
        RunFolder.create("runs/mlp-1")
    assert str(caught.value) == (
        "runs/mlp-1 already holds a run. Go on with it: lightning-hpo resume runs/mlp-1\nOr choose another folder."
    )
    assert everything_under(here) == before


def test_a_folder_with_anything_in_it_is_refused(here: Path) -> None:
    for name in "abcd":
        (here / name).write_text("")
    with pytest.raises(RunFolderError, match=r"is not empty: it holds a, b, c, \.\.\.\. Expected a new or an empty"):
        RunFolder.create(here)
    assert everything_under(here) == ["a", "b", "c", "d"]


def test_a_file_is_refused(here: Path) -> None:
    (here / "plain").write_text("text")
    with pytest.raises(RunFolderError, match=r"^plain is a file\. Expected a new or an empty folder"):
        RunFolder.create("plain")
    assert (here / "plain").read_text() == "text"


def test_a_folder_below_a_file_is_refused(here: Path) -> None:
    (here / "plain").write_text("text")
    with pytest.raises(RunFolderError, match=r"^plain/a/run cannot be made: Not a directory\. A file stands where"):
        RunFolder.create("plain/a/run")
    assert everything_under(here) == ["plain"]


def test_parents_that_were_made_go_again_when_the_folder_cannot_be(here: Path) -> None:
    # The last name is longer than any file system takes, so its parents are made before it fails.
    with pytest.raises(RunFolderError, match="cannot be made: File name too long"):
        RunFolder.create(here / "a" / "b" / ("x" * 300))
    assert everything_under(here) == []


def test_of_many_that_create_one_folder_one_succeeds(here: Path) -> None:
    made: list[RunFolder] = []
    refused: list[str] = []
    gate = threading.Barrier(8)

    def create() -> None:
        gate.wait()
        try:
            made.append(RunFolder.create(here / "runs" / "same"))
        except RunFolderError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(refused) == 7
    assert all("already holds a run" in message for message in refused)


# Names.


def test_the_next_name_is_the_first_that_is_free(here: Path) -> None:
    root = here / "runs"
    assert RunFolder.next_name(root, "mlp") == root / "mlp-1"
    for name in ("mlp-1", "mlp-3", "cnn-2"):
        (root / name).mkdir(parents=True)
    assert RunFolder.next_name(root, "mlp") == root / "mlp-2"


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("my recipe (2)", "my-recipe-2-1"),
        ("../../etc", "etc-1"),
        ("..", "run-1"),
        ("größe", "gr-e-1"),
        ("x" * 200, "x" * 60 + "-1"),
    ],
)
def test_a_stem_becomes_a_name_that_no_shell_stumbles_over(here: Path, stem: str, name: str) -> None:
    assert RunFolder.next_name(here, stem) == here / name


def test_many_that_create_the_next_folder_each_get_their_own(here: Path) -> None:
    made: list[str] = []
    gate = threading.Barrier(8)

    def create() -> None:
        gate.wait()
        made.append(RunFolder.create_next(here / "runs", "mlp").name)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == len(set(made)) == 8


def test_creating_the_next_folder_gives_up_when_the_system_refuses(here: Path) -> None:
    (here / "plain").write_text("")
    with pytest.raises(RunFolderError, match="Not a directory"):
        RunFolder.create_next(here / "plain", "mlp")


# Finding.


def test_opening_finds_what_was_created(folder: RunFolder, opened: Opened) -> None:
    assert RunFolder.open("runs/mlp-1").path == folder.path
    assert RunFolder.open(folder.path).read().opened == opened


def test_a_misspelt_run_gets_the_nearest_name(folder: RunFolder) -> None:
    with pytest.raises(RunFolderError) as caught:
        RunFolder.open("runs/mpl-1")
    assert str(caught.value) == (
        "runs/mpl-1 does not exist. Expected the folder of a run. "
        "Did you mean 'mlp-1'? List them with: lightning-hpo ls runs"
    )


def test_an_unlike_name_gets_the_runs_that_are_there(folder: RunFolder, here: Path) -> None:
    (here / "runs" / "other").mkdir()
    with pytest.raises(RunFolderError) as caught:
        RunFolder.open("runs/other")
    assert str(caught.value) == (
        "runs/other holds no run (it has no journal.jsonl). Expected the folder of a run. "
        "Runs in runs: mlp-1. List them with: lightning-hpo ls runs"
    )


def test_the_root_of_runs_names_the_runs_inside(folder: RunFolder) -> None:
    with pytest.raises(RunFolderError, match=r"It holds the folders of runs: mlp-1\. Name one .* like runs/mlp-1$"):
        RunFolder.open("runs")


def test_where_there_are_no_runs_the_way_to_one_is_named(here: Path) -> None:
    with pytest.raises(RunFolderError, match=r"No runs were found in .* either\. Start one with: lightning-hpo run"):
        RunFolder.open("nothing")


def test_all_runs_are_found_the_newest_first(here: Path, opened: Opened) -> None:
    for name, time in (("a", 10.0), ("b", 30.0), ("c", 20.0), ("d", 30.0)):
        RunFolder.create(here / "runs" / name).journal.append(Opened(**{**vars(opened), "time": time}))
    (here / "runs" / "notes").mkdir()
    (here / "runs" / "notes.txt").write_text("")
    RunFolder.create(here / "runs" / "not-begun")
    assert [folder.name for folder in RunFolder.find_all("runs")] == ["b", "d", "c", "a"]
    assert [folder.name for folder in RunFolder.find_all("runs/a")] == ["a"]


def test_a_damaged_run_is_found_too(folder: RunFolder) -> None:
    folder.journal.path.write_text("damaged\ndamaged\n")
    assert [found.name for found in RunFolder.find_all("runs")] == ["mlp-1"]


def test_no_runs_are_found_where_there_is_no_folder(here: Path) -> None:
    assert RunFolder.find_all("runs") == []
    (here / "plain").write_text("")
    with pytest.raises(RunFolderError, match="plain cannot be read: Not a directory"):
        RunFolder.find_all("plain")


# Reading and writing.


def test_reading_adds_the_journal_up(folder: RunFolder, story: Story) -> None:
    folder.journal.append(*story(0, [0.5], Status.COMPLETED), Closed(reason="finished"))
    state = folder.read()
    assert state.closed == "finished"
    assert state.best is not None
    assert state.best.id == 0


def test_a_journal_that_contradicts_itself_is_named_with_the_line(folder: RunFolder, story: Story) -> None:
    folder.journal.append(*story(0, [0.5], Status.COMPLETED))
    folder.journal.append(Ended(outcome=Outcome(trial=0, status=Status.FAILED)))
    with pytest.raises(RunFolderError) as caught:
        folder.read()
    # Line 1 opened the run, 2 to 5 are trial 0's story.
    assert str(caught.value).startswith(
        "runs/mlp-1/journal.jsonl line 6 contradicts the lines before it: "
        "Trial 0 ended, but had ended before (completed). Restore the file from a copy, or keep the lines before it: "
        "head -n 5 runs/mlp-1/journal.jsonl"
    )
    assert "please report" not in str(caught.value)


def test_a_run_that_never_began_says_how_to_be_rid_of_it(here: Path) -> None:
    with pytest.raises(RunFolderError, match=r"its journal has no event\. .* delete the folder: rm -r run$"):
        RunFolder.create("run").read()


def test_the_recipe_and_the_results_are_written_whole(folder: RunFolder, story: Story) -> None:
    folder.write_recipe("tune: {}\n")
    assert folder.recipe.read_text() == "tune: {}\n"
    folder.journal.append(*story(0, [0.5], Status.COMPLETED))
    folder.write_results(folder.read())
    assert folder.results_csv.read_text() == (
        "trial,status,origin,step,acc,lr,seconds\n0,completed,searcher,1,0.5,0.01,1.5\n"
    )


def test_two_drivers_cannot_hold_one_folder(folder: RunFolder) -> None:
    assert folder.holder() is None
    with folder.hold():
        found = folder.holder()
        with pytest.raises(RunFolderError, match=r"^runs/mlp-1 is in use by process"), RunFolder(folder.path).hold():
            pass
    assert found is not None
    assert found.pid == os.getpid()
    assert folder.holder() is None


# Removing.


def test_removing_an_unused_folder_takes_the_parents_that_were_made(here: Path, opened: Opened) -> None:
    (here / "kept").mkdir()
    folder = RunFolder.create("kept/runs/mlp-1")
    folder.write_recipe("tune: {}\n")
    with folder.hold():
        folder.journal.append(opened, Closed(reason="failed"))
        folder.remove()
    assert everything_under(here) == ["kept"]


def test_removing_keeps_parents_that_hold_something_else(here: Path) -> None:
    folder = RunFolder.create("runs/mlp-1")
    RunFolder.create("runs/mlp-2")
    folder.remove()
    assert everything_under(here) == ["runs", "runs/mlp-2", "runs/mlp-2/journal.jsonl"]


def test_a_folder_with_trials_is_not_removed(folder: RunFolder, story: Story) -> None:
    folder.journal.append(*story(0))
    with pytest.raises(RunFolderError, match=r"runs/mlp-1 holds trials, so it is kept\."):
        folder.remove()
    assert folder.journal.path.exists()
