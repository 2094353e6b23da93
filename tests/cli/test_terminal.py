"""What a musician sees in the first minutes, on terminals of any width and colour."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stemsplit.batch.results import JobResult
from stemsplit.cli.printer.command_events import RunBegan, RunEnded
from stemsplit.cli.printer.person import PersonPrinter
from stemsplit.engine.note import Note
from tests.audio.songs import tone, write_sndfile
from tests.cli.terminal import run_in_terminal

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="there are no such terminals"),
    pytest.mark.slow,
]

LOUD = (
    "Note: spectral runs in place of htdemucs, far less cleanly. Once there is a network: "
    "`stemsplit models pull htdemucs`"
)
DONE = r"song\.wav: drums\.wav, bass\.wav, other\.wav, vocals\.wav in separated/spectral/song"
TOOK = r" \(0\.5 s in \d\.\d s\)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sndfile(tmp_path / "song.wav", tone(22_050))
    return tmp_path


def assert_nothing_is_cut(lines: list[str], width: int) -> None:
    for line in lines:
        assert len(line) <= width or " " not in line.strip(), line


@pytest.mark.parametrize(
    "width", [60, *(pytest.param(width, marks=pytest.mark.slow) for width in (30, 80, 120, 200))]
)
def test_one_loud_line_first_and_last_and_one_for_the_song(folder: Path, width: int) -> None:
    exit_code, screen = run_in_terminal("song.wav", width=width, folder=folder)
    assert exit_code == 0
    assert_nothing_is_cut(screen.text, width)
    said = " ".join(screen.text)
    assert re.fullmatch(f"{re.escape(LOUD)} {DONE}{TOOK} {re.escape(LOUD)}", said), said
    if width >= 120:
        assert len(screen.text) == 3


def test_details_are_for_who_asks(folder: Path) -> None:
    _, screen = run_in_terminal("song.wav", "-v", width=80, folder=folder)
    said = " ".join(screen.text)
    assert said.startswith("Model spectral (built in)")
    assert "htdemucs could not be had: htdemucs.yaml of adefossez/HTDemucs@main is not on" in said
    assert re.search(rf"{TOOK}\. The stems leave over -\d+\.\d dB of the mixture\. Note: ", said)
    assert_nothing_is_cut(screen.text, 80)


def test_it_says_what_it_does_before_the_first_chunk(folder: Path) -> None:
    _, screen = run_in_terminal("song.wav", "-m", "spectral", width=80, folder=folder)
    said = list(dict.fromkeys(line.split("  ")[0] for line in screen.seen))
    assert said[0] == "Loading PyTorch"
    assert said.index("Loading PyTorch") < said.index("song.wav")
    assert any(line.rstrip().endswith("100 %") for line in screen.seen)
    assert len({line.index(" %") for line in screen.seen if " %" in line}) == 1  # nothing jumps
    assert not any("━" in line for line in screen.text)


@pytest.mark.parametrize(
    ("environment", "colours"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colours_are_for_terminals_that_want_them(
    folder: Path, environment: dict[str, str], colours: bool
) -> None:
    _, screen = run_in_terminal("song.wav", width=80, folder=folder, **environment)
    assert any(re.search(r"\b(3|4)\d\b", style) for style in screen.styles) == colours
    assert LOUD in " ".join(screen.text)
    if environment.get("TERM") == "dumb":  # it cannot write a line anew
        assert screen.styles <= {""}
        assert "1 of 1: song.wav" in screen.text
        assert "  100 %" in screen.lines


def test_a_pipe_gets_whole_lines_and_absolute_paths(folder: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "stemsplit", "song.wav"],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "COLUMNS": "40"},
        capture_output=True,
        text=True,
        check=True,
    )
    place = re.escape(str(folder))
    done = DONE.replace("separated", f"{place}/separated")
    assert re.fullmatch(f"{done}{TOOK}\n", result.stdout)
    assert result.stderr == f"{LOUD}\n1 of 1: song.wav\n  100 %\n{LOUD}\n"


@pytest.mark.slow
@pytest.mark.parametrize("width", [30, 60, 80, 120, 200])
@pytest.mark.parametrize(
    "arguments",
    [
        ["models", "list"],
        ["models", "show", "htdemucs"],
        ["models", "show", "karaoke"],
        ["song.wav", "missing.wav", "-m", "spectral", "--dry-run"],
        ["song.wav", "--stems", "kazoo"],
        ["song.wav", "--no-such-option"],
        ["demo", "-o", "demo"],
    ],
    ids=" ".join,
)
def test_no_word_is_cut_at_any_width(folder: Path, arguments: list[str], width: int) -> None:
    _, screen = run_in_terminal(*arguments, width=width, folder=folder)
    assert screen.text
    assert_nothing_is_cut(screen.text, width)


@pytest.mark.parametrize(("status", "num_told"), [("done", 2), ("skipped", 2), ("failed", 1)])
def test_what_runs_in_place_of_what_is_not_repeated_if_nothing_ran(
    capsys: pytest.CaptureFixture[str], status: Any, num_told: int
) -> None:
    printer = PersonPrinter(lists_files=False)
    printer.show(Note("spectral runs in place of htdemucs.", is_loud=True))
    printer.show(RunBegan({Path("a.wav"): 1.0}))
    result = JobResult(input=Path("a.wav"), status=status, error="It is.", outputs={"a": Path("a")})
    printer.show(RunEnded([result]))
    assert capsys.readouterr().err.count("spectral runs in place of htdemucs.") == num_told
