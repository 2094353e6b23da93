"""A file that ends the process which reads it ends one run, and no other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import stemsplit
from stemsplit.audio.source import probe, read_blocks
from stemsplit.batch.discover import discover
from stemsplit.batch.journal import ReadingJournal, SuspectError, keep_journal
from stemsplit.batch.trial import _start_reading, try_reading
from stemsplit.device.cancel import Cancellation, Cancelled
from stemsplit.errors import AudioReadError
from tests.audio.songs import tone, write_sndfile

pytestmark = pytest.mark.slow

# Python imports a module of this name in every process. It plays a decoder that crashes: when a
# file called killer* is opened below `stemsplit.audio.source._open`, by a process whose stack also
# has the function CRASHES_IN, as often as there are files called once*.
CRASHING = """
import os, signal, sys

def crash(event, arguments):
    if event != "open" or "killer" not in os.path.basename(str(arguments[0])):
        return
    frame, names = sys._getframe(), set()
    while frame is not None:
        names.add((frame.f_globals.get("__name__"), frame.f_code.co_name))
        frame = frame.f_back
    if ("stemsplit.audio.source", "_open") in names and IN in {name for _, name in names}:
        for once in ONCE:
            if not os.path.exists(once):
                return
            os.unlink(once)
        os.kill(os.getpid(), signal.SIGNAL)

sys.addaudithook(crash)
"""


def crashing(folder: Path, where: str = "_open", how: str = "SIGSEGV", once: str = "") -> None:
    folder.mkdir(exist_ok=True)
    code = CRASHING.replace("IN in", f"{where!r} in").replace("SIGNAL", how)
    code = code.replace("ONCE", repr([once] if once else []))
    (folder / "sitecustomize.py").write_text(code)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with three songs, of which the second is the killer."""
    package = str(Path(stemsplit.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "site"), package]))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    music = tmp_path / "music"
    music.mkdir()
    for name in ("a.wav", "killer.wav", "z.wav"):
        write_sndfile(music / name, tone(2_000))
    return tmp_path


def run(place: Path, *inputs: str) -> tuple[int, list[tuple[str, str]], list[str]]:
    """The exit code, what became of the songs, in order, and what was said about them."""
    arguments = [
        sys.executable,
        "-m",
        "stemsplit",
        *inputs,
        "-m",
        "spectral",
        "--json",
        "-o",
        "out",
    ]
    process = subprocess.run(arguments, cwd=place, capture_output=True, text=True, check=False)
    events = [json.loads(line) for line in process.stdout.splitlines()]
    songs = [event for event in events if event["event"] in ("done", "skipped", "failed")]
    said = [event.get("error") or event.get("message") for event in events]
    became = [(Path(song["input"]).name, song["status"]) for song in songs]
    return process.returncode, became, list(filter(None, said))


def hidden(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "out").rglob(".stemsplit-*"))


linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="sends signals")


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("where", ["_duration", "_separate"])
def test_a_file_that_crashes_its_decoder_ends_one_run(place: Path, where: str) -> None:
    crashing(place / "site")
    if where == "_separate":
        crashing(place / "site", where)
    code, _, _ = run(place, "music")
    assert code == -signal.SIGSEGV
    crashing(place / "site")  # it does so in any process
    code, became, said = run(place, "music")
    assert code == 1
    first = "skipped" if where == "_separate" else "done"
    assert became == [("a.wav", first), ("z.wav", "done"), ("killer.wav", "failed")]
    assert said[0].startswith("An earlier run died while reading ")
    assert "killer.wav ends the program that reads it (SIGSEGV), for the second time" in said[-1]
    # And so it stays, until somebody does something about it.
    code, became, said = run(place, "music")
    assert (code, became[-1]) == (1, ("killer.wav", "failed"))
    (place / "site" / "sitecustomize.py").unlink()
    os.utime(place / "music" / "killer.wav", (1, 1))
    code, became, said = run(place, "music")
    assert (code, dict(became)["killer.wav"], said) == (0, "done", [])
    assert hidden(place) == []


@linux_only
@pytest.mark.slow
def test_a_file_that_crashes_while_songs_are_looked_for(place: Path) -> None:
    (place / "music" / "killer.wav").rename(place / "music" / "killer of no known kind")
    crashing(place / "site")
    assert run(place, "music")[0] == -signal.SIGSEGV
    code, became, said = run(place, "music")
    assert code == 1
    assert became == [
        ("a.wav", "done"),
        ("z.wav", "done"),
        ("killer of no known kind", "failed"),
    ]
    assert "SIGSEGV" in said[-1]


@linux_only
@pytest.mark.slow
@pytest.mark.parametrize("name", ["killer.wav", "killer.txt"])
def test_a_death_that_had_another_cause_is_forgotten(place: Path, name: str) -> None:
    """As by a system that is out of memory: the file was only being read then."""
    once = place / "once"
    once.touch()
    (place / "music" / "killer.wav").unlink()
    if name.endswith("txt"):
        (place / "music" / name).write_text("no music")
    else:
        write_sndfile(place / "music" / name, tone(1_000))
    crashing(place / "site", how="SIGKILL", once=str(once))
    assert run(place, "music")[0] == -signal.SIGKILL
    assert hidden(place)
    code, became, _ = run(place, "music")
    assert code == 0
    assert [name for name, _ in became][:2] == ["a.wav", "z.wav"]
    assert {status for _, status in became} == {"done"}
    assert len(became) == (2 if name.endswith("txt") else 3)
    assert hidden(place) == []


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_sndfile(tmp_path / "song.wav", tone(100))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[ReadingJournal]:
    with keep_journal(tmp_path / "out") as journal:
        yield journal


def content(folder: Path) -> dict[str, dict[str, list[int]]]:
    (file,) = folder.glob(".stemsplit-reading-*.json")
    found: dict[str, dict[str, list[int]]] = json.loads(file.read_text())
    return found


def test_it_names_what_is_open_and_nothing_else(
    tmp_path: Path, song: Path, journal: ReadingJournal
) -> None:
    state = [song.stat().st_size, song.stat().st_mtime_ns]
    assert content(tmp_path / "out") == {"reading": {}, "suspects": {}}
    blocks = read_blocks(song)
    next(blocks)
    probe(song)
    assert content(tmp_path / "out") == {"reading": {str(song): state}, "suspects": {}}
    del blocks
    assert content(tmp_path / "out") == {"reading": {}, "suspects": {}}
    assert journal.suspects == []


def test_an_orderly_end_leaves_nothing(tmp_path: Path, song: Path) -> None:
    with keep_journal(tmp_path / "new" / "out"):
        next(read_blocks(song))
        assert len(list((tmp_path / "new" / "out").iterdir())) == 2
    assert not (tmp_path / "new").exists()

    def stopped() -> None:
        with keep_journal(tmp_path / "new"):
            blocks = read_blocks(song)
            next(blocks)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert not (tmp_path / "new").exists()


def died(folder: Path, *songs: Path) -> None:
    """Leaves what a process leaves that died while it was reading the songs."""
    folder.mkdir(exist_ok=True)
    states = {str(song): [song.stat().st_size, song.stat().st_mtime_ns] for song in songs}
    file = folder / ".stemsplit-reading-0123.json"
    file.write_text(json.dumps({"reading": states, "suspects": {}}) + "\nrest of a longer line")
    file.with_suffix(".lock").touch()


def test_a_suspect_is_not_read_in_this_process_until_it_was_tried(
    tmp_path: Path, song: Path
) -> None:
    out = tmp_path / "out"
    died(out, song)
    with keep_journal(out) as journal:
        assert journal.suspects == [song]
        with pytest.raises(SuspectError, match=r"song\.wav was being read when an earlier run die"):
            probe(song)
        assert journal.try_suspect(song)
        probe(song)
    assert list(out.iterdir()) == []


def test_suspicions_outlive_a_run_that_did_not_get_to_them(tmp_path: Path, song: Path) -> None:
    out = tmp_path / "out"
    died(out, song)
    for _ in range(2):
        with keep_journal(out) as journal:
            assert journal.suspects == [song]
        assert [path.suffix for path in out.iterdir()] == [".json"]
    with keep_journal(out, read_only=True) as journal:
        assert journal.is_suspect(song)
        assert [path.suffix for path in out.iterdir()] == [".json"]


def test_a_file_that_was_changed_is_no_suspect(tmp_path: Path, song: Path) -> None:
    died(tmp_path / "out", song)
    write_sndfile(song, tone(200))
    with keep_journal(tmp_path / "out") as journal:
        assert journal.suspects == []
        probe(song)


def test_the_journal_of_a_process_that_is_alive_says_nothing(tmp_path: Path, song: Path) -> None:
    out = tmp_path / "out"
    with keep_journal(out), keep_journal(out, read_only=True) as reader:
        blocks = read_blocks(song)
        next(blocks)
        with keep_journal(out) as other:
            assert (reader.suspects, other.suspects) == ([], [])


@pytest.mark.parametrize(
    "junk",
    [b"", b"{", b"[]", b'{"reading": 3, "suspects": {}}', b'{"reading": {"a": [1]}}', bytes(100)],
)
def test_a_journal_that_cannot_be_understood_accuses_nobody(tmp_path: Path, junk: bytes) -> None:
    (tmp_path / ".stemsplit-reading-0.json").write_bytes(junk)
    with keep_journal(tmp_path) as journal:
        assert journal.suspects == []
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, song: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with keep_journal(tmp_path / "file" / "out") as journal:
        probe(song)
        assert journal.suspects == []


def test_a_suspect_without_the_name_of_a_song_is_tried_where_songs_are_looked_for(
    tmp_path: Path, song: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    (music / "text").write_text("no music")
    song.rename(music / "song of no known kind")
    died(tmp_path / "out", *music.iterdir())
    with keep_journal(tmp_path / "out") as journal:
        found = discover([music], journal)
        assert [song.path.name for song in found.songs] == ["song of no known kind"]
        assert found.num_skipped == 1
        assert journal.suspects == []


def test_a_trial_tells_bad_files_from_deaths(
    tmp_path: Path, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no music")
    assert try_reading(song) == "readable"
    assert try_reading(text) == "refused"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    assert try_reading(song) == "readable"  # nobody can tell


@linux_only
@pytest.mark.parametrize(
    ("code", "verdict"), [(-11, "SIGSEGV"), (-15, "readable"), (1, "readable")]
)
def test_only_a_crash_speaks_against_a_file(
    song: Path, monkeypatch: pytest.MonkeyPatch, code: int, verdict: str
) -> None:
    monkeypatch.setattr("stemsplit.batch.trial._wait", lambda *_: code)
    assert try_reading(song) == verdict
    journal = ReadingJournal(None, {str(song): (song.stat().st_size, song.stat().st_mtime_ns)})
    if verdict == "SIGSEGV":
        with pytest.raises(AudioReadError, match="SIGSEGV"):
            journal.try_suspect(song)
    else:
        assert journal.try_suspect(song)


@linux_only
def test_a_trial_ends_with_the_run_that_waits_for_it(
    song: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = tmp_path / "python"
    endless.write_text("#!/bin/sh\nexec sleep 1000\n")
    endless.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(endless))
    children: list[subprocess.Popen[bytes]] = []

    def start(path: Path) -> subprocess.Popen[bytes]:
        children.append(_start_reading(path))
        return children[-1]

    monkeypatch.setattr("stemsplit.batch.trial._start_reading", start)
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        try_reading(song, cancellation.check)
    assert children[0].returncode == -signal.SIGKILL
    monkeypatch.setattr("stemsplit.batch.trial._PATIENCE_SECONDS", 0)
    assert try_reading(song) == "no end within 0 seconds"
