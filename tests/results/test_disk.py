from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lightning_hpo.errors import RunFolderError
from lightning_hpo.results.disk import append_whole, atomic_write, refusals, shown


@contextmanager
def full_beyond(size: int) -> Iterator[None]:
    """Files cannot grow beyond `size` bytes: what fits is written, then the system refuses, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_appending_makes_the_file_and_goes_on_at_its_end(tmp_path: Path) -> None:
    file = tmp_path / "lines"
    append_whole(file, b"one\n")
    append_whole(file, b"two\n")
    assert file.read_bytes() == b"one\ntwo\n"


def test_an_append_that_fits_in_part_leaves_the_file_as_it_was(here: Path) -> None:
    file = here / "lines"
    append_whole(file, b"one\n")
    with full_beyond(10), pytest.raises(RunFolderError) as caught:
        append_whole(file, b"too long for what is left\n")
    assert file.read_bytes() == b"one\n"
    assert str(caught.value).startswith("lines cannot be written: File too large. Free space on the disk")


def test_a_full_disk_is_named_with_what_to_free() -> None:
    with pytest.raises(RunFolderError) as caught:
        append_whole(Path("/dev/full"), b"one\n")
    assert str(caught.value) == (
        "/dev/full cannot be written: No space left on device. "
        "Free space on the disk (or raise the quota) that holds /dev, then try again."
    )


def test_an_atomic_write_replaces_text_and_bytes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    atomic_write(file, "größer")
    assert file.read_text(encoding="utf-8") == "größer"
    atomic_write(str(file), b"\x00")
    assert file.read_bytes() == b"\x00"
    assert os.listdir(tmp_path) == ["file"]


def test_an_atomic_write_makes_files_that_others_may_read_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        atomic_write(tmp_path / "file", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_half_a_surrogate_pair_is_written_as_an_escape(tmp_path: Path) -> None:
    atomic_write(tmp_path / "file", "name \udcff")
    assert (tmp_path / "file").read_bytes() == b"name \\udcff"


def test_an_atomic_write_that_fails_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "file"
    atomic_write(file, "old")
    with full_beyond(10), pytest.raises(RunFolderError, match="File too large"):
        atomic_write(file, "new " * 100)
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_missing_folder_is_said_to_be_missing(here: Path) -> None:
    with pytest.raises(RunFolderError) as caught:
        atomic_write(here / "gone" / "file", "x")
    assert str(caught.value) == (
        "gone/file cannot be written: No such file or directory. "
        "Expected it to be there: look whether it was moved or removed."
    )


def test_a_file_where_a_folder_is_expected_is_told_apart(here: Path) -> None:
    (here / "plain").write_text("")
    with pytest.raises(RunFolderError, match="A file stands where a folder is expected"):
        atomic_write(here / "plain" / "file", "x")


def test_what_is_not_allowed_names_the_folder_to_open_up() -> None:
    # Permissions bind nobody who tests as root, so the system's own error is raised by hand.
    with (
        pytest.raises(RunFolderError, match="Make /srv/runs readable and writable for you"),
        refusals(Path("/srv/runs/x"), "cannot be made"),
    ):
        raise PermissionError(13, "Permission denied")


def test_other_errors_pass_through_refusals() -> None:
    with pytest.raises(KeyError), refusals(Path("x"), "cannot be read"):
        raise KeyError("x")


def test_a_path_is_shown_from_where_the_person_is(here: Path) -> None:
    assert shown(here / "runs" / "a") == "runs/a"
    assert shown(here.parent / "elsewhere") == str(here.parent / "elsewhere")
