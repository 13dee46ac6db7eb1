from __future__ import annotations

import json
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lightning_hpo.errors import InternalError, RunFolderError
from lightning_hpo.results import Closed, Event, Journal, Opened, Resumed, Started, Suggested
from lightning_hpo.trial import Trial


@pytest.fixture
def journal(here: Path, opened: Opened) -> Journal:
    """Four lines: opened, and three trials started."""
    made = Journal(here / "journal.jsonl")
    made.append(opened)
    made.append(*(Started(time=2.0, trial=trial, worker="w") for trial in range(3)))
    return made


def test_events_come_back_in_order(journal: Journal, opened: Opened) -> None:
    started: list[Event] = [Started(time=2.0, trial=trial, worker="w") for trial in range(3)]
    assert journal.read() == [opened, *started]
    assert journal.opened() == opened
    assert journal.note is None


def test_an_event_is_one_compact_line(journal: Journal) -> None:
    lines = journal.path.read_text().splitlines()
    body = '{"kind":"started","time":2.0,"trial":0,"worker":"w"}'
    assert lines[1] == body[:-1] + f',"crc":{zlib.crc32(body.encode())}}}'
    assert len(lines) == 4


def test_iterating_parses_no_further_than_asked(journal: Journal, opened: Opened) -> None:
    lines = journal.path.read_text().splitlines()
    journal.path.write_text("\n".join([lines[0], "damaged", *lines[2:]]) + "\n")
    assert next(iter(journal)) == opened


def test_an_empty_file_is_a_journal_without_events(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.path.touch()
    assert journal.read() == []
    assert journal.opened() is None


def test_a_missing_journal_cannot_be_read(here: Path) -> None:
    with pytest.raises(RunFolderError, match=r"^journal\.jsonl cannot be read: No such file"):
        Journal(here / "journal.jsonl").read()


# Torn ends: a crash in the middle of a write, or a power loss that left a line of rubbish.


@pytest.mark.parametrize(
    "torn", ['{"kind":"ended","ti', '{"kind":"resumed","time":1.0}', "\x00\x00\x00", '{"a\n', "\n"]
)
def test_a_torn_last_line_is_dropped_and_noted(journal: Journal, torn: str) -> None:
    whole = journal.read()
    with journal.path.open("a") as file:
        file.write(torn)
    assert journal.read() == whole
    assert journal.note is not None
    assert journal.note.startswith("The last line of journal.jsonl (line 5) was torn by a crash and is left out: ")


def test_the_note_goes_when_the_end_is_whole_again(journal: Journal) -> None:
    size = journal.path.stat().st_size
    with journal.path.open("a") as file:
        file.write("{")
    journal.read()
    assert journal.note
    with journal.path.open("r+") as file:
        file.truncate(size)
    journal.read()
    assert journal.note is None


@pytest.mark.parametrize("torn", ['{"kind":"ended","ti', '{"kind":"resumed","time":1.0}', '{"a\n', "\n"])
def test_appending_cuts_a_torn_end_off_first(journal: Journal, torn: str) -> None:
    whole = journal.path.read_bytes()
    with journal.path.open("a") as file:
        file.write(torn)
    Journal(journal.path).append(Closed(time=3.0, reason="finished"))
    data = journal.path.read_bytes()
    assert data.startswith(whole + b'{"kind":"closed","time":3.0,"reason":"finished","crc":')
    assert data.count(b"\n") == whole.count(b"\n") + 1


def test_a_line_that_somebody_wrote_by_hand_needs_no_checksum(journal: Journal) -> None:
    with journal.path.open("a") as file:
        file.write('{"kind":"resumed","time":1.0}\n')
    assert journal.read()[-1] == Resumed(time=1.0)


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
def test_no_flipped_bit_goes_unnoticed(journal: Journal, place: float, bit: int) -> None:
    sound, events = journal.path.read_bytes(), journal.read()
    data = bytearray(sound)
    data[int(len(data) * place)] ^= 1 << bit
    journal.path.write_bytes(bytes(data))
    try:
        found = journal.read()
    except RunFolderError as error:
        assert f"line {sound[: int(len(sound) * place)].count(10) + 1} " in str(error) or "format" in str(error)  # noqa: PT017
    else:  # the last line is taken for one that a crash tore
        assert found == events[: len(found)]
        assert journal.note is not None
    finally:
        journal.path.write_bytes(sound)


def test_every_cut_through_a_journal_reads_as_the_lines_before_it(journal: Journal) -> None:
    data, events = journal.path.read_bytes(), journal.read()
    for size in range(len(data)):
        journal.path.write_bytes(data[:size])
        assert journal.read() == events[: data[:size].count(b"\n")]
        # Something is noted exactly if the cut lies within a line.
        assert (journal.note is None) == (size == 0 or data[size - 1 : size] == b"\n")


def test_a_journal_whose_first_line_was_torn_begins_anew(here: Path, opened: Opened) -> None:
    journal = Journal(here / "journal.jsonl")
    journal.path.write_text('{"kind":"open')
    assert journal.opened() is None
    journal.append(opened)
    assert journal.read() == [opened]


# Damage: anything wrong before the last line, and whole lines that are no events.


def test_a_damaged_line_in_the_middle_is_named_with_what_it_holds(journal: Journal) -> None:
    lines = journal.path.read_text().splitlines()
    journal.path.write_text("\n".join([*lines[:2], '{"kind":"sta', lines[3]]) + "\n")
    with pytest.raises(RunFolderError) as caught:
        journal.read()
    assert str(caught.value) == (
        'journal.jsonl line 3 is damaged: this is no JSON object. It holds \'{"kind":"sta\'. '
        "Expected one event in JSON. Restore the file from a copy, or keep the lines before it: "
        "head -n 2 journal.jsonl > journal.jsonl.sound && mv journal.jsonl.sound journal.jsonl"
    )


def test_appending_does_not_hide_damage_before_a_torn_end(journal: Journal) -> None:
    with journal.path.open("a") as file:
        file.write('damaged\n{"torn')
    journal = Journal(journal.path)
    journal.append(Closed(reason="finished"))
    with pytest.raises(RunFolderError, match="line 5 is damaged"):
        journal.read()


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ('{"kind":"paused","time":1.0}', "'paused' is no kind of event"),
        ('{"kind":"started","time":1.0,"trial":"x","worker":""}', "'trial' must be a whole number, but is 'x'"),
        ('{"kind":"closed","time":1.0,"reason":"bored"}', "'reason' must be one of"),
        ('{"kind":"reported","time":1.0,"trial":0,"step":1,"metrics":{"a":1' + "0" * 400 + "}}", "int too large"),
    ],
)
def test_a_whole_line_that_is_no_event_is_damage_even_at_the_end(journal: Journal, line: str, fact: str) -> None:
    with journal.path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunFolderError, match=f"line 5 is damaged: .*{fact}"):
        journal.read()


def test_a_long_damaged_line_is_cut_in_the_message(journal: Journal) -> None:
    with journal.path.open("a") as file:
        file.write("x" * 1000 + "\n{}\n")
    with pytest.raises(RunFolderError, match=f"It holds '{'x' * 80}'\\.\\.\\. Expected"):
        journal.read()


def test_a_journal_opens_once_and_first(journal: Journal) -> None:
    lines = journal.path.read_text().splitlines()
    journal.path.write_text("\n".join([lines[1], lines[0]]) + "\n")
    with pytest.raises(RunFolderError, match=r"line 1 is damaged: 'opened' must be the first line.*from a copy\.$"):
        journal.read()
    journal.path.write_text("\n".join([lines[0], lines[0]]) + "\n")
    with pytest.raises(RunFolderError, match="line 2 is damaged: 'opened' must be the first line and no other"):
        journal.read()
    journal.path.write_text("\n".join(["damaged", lines[0]]) + "\n")
    with pytest.raises(RunFolderError, match="line 1 is damaged: this is no JSON object"):
        journal.opened()


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (
            9,
            "journal.jsonl was written by a newer lightning-hpo: format 9; this one reads 1. "
            "Upgrade with: pip install -U lightning-hpo",
        ),
        (
            0,
            "journal.jsonl was written by an older lightning-hpo: format 0; this one reads 1. "
            "Read it with the older one.",
        ),
    ],
)
def test_another_format_is_refused_whatever_else_the_line_holds(journal: Journal, version: int, message: str) -> None:
    journal.path.write_text(json.dumps({"kind": "opened", "version": version, "new": "field"}) + "\n")
    with pytest.raises(RunFolderError) as caught:
        journal.read()
    assert str(caught.value) == message
    with pytest.raises(RunFolderError, match=f"format {version}"):
        journal.opened()


# What a writer may not do, and what the system may not let it do.


def test_a_journal_cannot_begin_with_anything_but_opened(here: Path, opened: Opened) -> None:
    journal = Journal(here / "journal.jsonl")
    with pytest.raises(InternalError, match="'opened' must be the first event and no other"):
        journal.append(Closed(reason="failed"))
    journal.append(opened, Closed(reason="failed"))
    with pytest.raises(InternalError, match="'opened' must be the first event and no other"):
        journal.append(opened)
    assert [event.kind for event in journal] == ["opened", "closed"]


@pytest.mark.parametrize("value", [object(), float("nan")])
def test_a_config_that_json_cannot_hold_is_not_written(journal: Journal, value: object) -> None:
    before = journal.path.read_bytes()
    with pytest.raises(InternalError, match="cannot be written down"):
        journal.append(Closed(reason="failed"), Suggested(trial=Trial(id=9, config={"x": value}, seed=0)))
    assert journal.path.read_bytes() == before


def test_a_full_disk_says_what_to_free(opened: Opened) -> None:
    with pytest.raises(RunFolderError, match=r"^/dev/full cannot be written: No space left on device\. Free space on"):
        Journal("/dev/full").append(opened)


def test_a_journal_below_a_file_cannot_be_written(here: Path, opened: Opened) -> None:
    (here / "plain").write_text("")
    with pytest.raises(RunFolderError, match=r"^plain/journal\.jsonl cannot be written: Not a directory"):
        Journal(here / "plain" / "journal.jsonl").append(opened)


def test_a_reader_beside_a_writer_sees_whole_events_in_order(here: Path, opened: Opened) -> None:
    journal = Journal(here / "journal.jsonl")
    journal.append(opened)
    script = (
        "import itertools, sys, time\n"
        "from lightning_hpo.results import Journal, Started\n"
        "journal = Journal(sys.argv[1])\n"
        "for trial in itertools.count():\n"
        "    journal.append(Started(trial=trial, worker='w' * (trial % 500)), Started(trial=trial, worker=''))\n"
        "    time.sleep(0.001)\n"  # else the file grows faster than it is read
    )
    with subprocess.Popen([sys.executable, "-c", script, str(journal.path)]) as writer:
        lengths = [1]
        while len(set(lengths)) < 20 and writer.poll() is None:
            trials = [event.trial for event in journal if isinstance(event, Started)]
            assert trials == [number // 2 for number in range(len(trials))]
            lengths.append(1 + len(trials))
        assert writer.poll() is None
        writer.kill()
    assert lengths == sorted(lengths)
    assert len(journal.read()) >= lengths[-1]


def test_two_threads_of_one_process_do_not_mix_lines(journal: Journal) -> None:
    def write(first: int) -> None:
        for trial in range(first, first + 50):
            journal.append(Started(trial=trial, worker="w" * 200))

    threads = [threading.Thread(target=write, args=(first,)) for first in (100, 200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trials = [event.trial for event in journal if isinstance(event, Started)][3:]
    assert sorted(trials) == [*range(100, 150), *range(200, 250)]
