"""stdin, stdout and stderr that are closed, full, or without a reader: the work goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from tests.audio.songs import tone, write_sndfile

ROOT = Path(__file__).parents[2]
SPECTRAL = "song.wav -m spectral -o out"
STEMS = ["bass.wav", "drums.wav", "other.wav", "vocals.wav"]
LOST = "Nothing else is lost.\n"

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="redirections of a POSIX shell"),
    pytest.mark.slow,
]
needs_full_device = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="no device that is always full"
)
STDOUT_LOST = [
    pytest.param(">&-", "stdout is closed", id="closed"),
    pytest.param(
        "> /dev/full",
        "stdout could not be written (No space left on device)",
        marks=needs_full_device,
        id="full",
    ),
]
EXIT_CODES = {">&-": (0, "Note"), "> /dev/full": (1, "Error")}
STDERR_LOST = ["2>&-", pytest.param("2> /dev/full", marks=needs_full_device), "<&- 2>&-"]

Shell = Callable[[str], "subprocess.CompletedProcess[str]"]


@pytest.fixture
def shell(song: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Runs a line of `sh` beside song.wav, in which `stemsplit` is this program."""
    program = song.with_name("bin") / "stemsplit"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stemsplit "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    def run(line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", line], capture_output=True, text=True, check=False, timeout=300
        )

    return run


def is_separated(folder: str = "out") -> bool:
    """Whether the stems are there, whole, with their record, and nothing else is."""
    names = sorted(path.name for path in Path(folder).rglob("*") if path.is_file())
    lengths = {soundfile.info(path).frames for path in Path(folder).rglob("*.wav")}
    return names == sorted([*STEMS, "stemsplit.json"]) and lengths == {22_050}


@pytest.mark.slow
@pytest.mark.parametrize(("redirection", "reason"), STDOUT_LOST)
def test_songs_and_pages_are_done_where_their_list_cannot_be_printed(
    shell: Shell, redirection: str, reason: str
) -> None:
    result = shell(f"stemsplit {SPECTRAL} {redirection}")
    note = f"Note: The list of files is incomplete: {reason}. {LOST}"
    assert result.returncode == 0, result.stderr
    assert result.stderr.endswith(note)
    assert is_separated()
    pages = shell(f"stemsplit report out {redirection}")
    assert (pages.returncode, pages.stderr) == (0, note)
    assert Path("out/spectral/song/report.html").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("redirection", "reason"), STDOUT_LOST)
def test_the_songs_are_done_where_the_json_is_lost(
    shell: Shell, redirection: str, reason: str
) -> None:
    result = shell(f"stemsplit {SPECTRAL} --json {redirection}")
    exit_code, kind = EXIT_CODES[redirection]
    assert result.returncode == exit_code
    assert result.stderr == f"{kind}: The JSON is incomplete: {reason}. {LOST}"
    assert is_separated()


@pytest.mark.slow
@pytest.mark.parametrize("redirection", STDERR_LOST)
@pytest.mark.parametrize("options", ["", "--json", "--quiet"])
def test_without_stderr_the_songs_are_done_and_listed(
    shell: Shell, options: str, redirection: str
) -> None:
    result = shell(f"stemsplit {SPECTRAL} {options} {redirection}")
    assert result.returncode == 0
    assert is_separated()
    if options == "--json":
        assert json.loads(result.stdout.splitlines()[-1])["done"] == 1
    else:
        assert [name in result.stdout for name in STEMS] == [not options] * len(STEMS)


@pytest.mark.slow
def test_without_any_stream_the_exit_code_is_right(shell: Shell) -> None:
    assert shell(f"stemsplit {SPECTRAL} -q <&- >&- 2>&-").returncode == 0
    assert is_separated()
    assert shell("stemsplit missing.wav -m spectral <&- >&- 2>&-").returncode == 1
    assert shell(f"stemsplit {SPECTRAL} --shifts -1 <&- >&- 2>&-").returncode == 2
    assert shell("stemsplit song.wav -m nosuchmodel <&- >&- 2>&-").returncode == 3


@pytest.mark.slow
@pytest.mark.parametrize("options", ["", "--json"])
def test_a_reader_that_stops_stops_no_song(shell: Shell, options: str) -> None:
    # Before the first line, so that there is no doubt who was faster.
    result = shell(f"{{ sleep 0.2; stemsplit {SPECTRAL} {options}; echo $? > code; }} | true")
    assert Path("code").read_text() == "0\n"
    assert is_separated()
    assert "defect" not in result.stderr
    note = f"Note: The JSON is incomplete: whoever read stdout has stopped. {LOST}"
    assert (note in result.stderr) == (options == "--json")


@pytest.mark.slow
def test_a_reader_of_all_that_is_said_stops_no_song(shell: Shell) -> None:
    shell(f"{{ sleep 0.2; stemsplit {SPECTRAL}; echo $? > code; }} 2>&1 | true")
    assert Path("code").read_text() == "0\n"
    assert is_separated()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "exit_code", "word"),
    [
        ("> /dev/full", 1, "stdout could not be written (No space left on device)"),
        ("| true", 1, "whoever read stdout has stopped"),
        (">&-", 2, "the stem goes to stdout, and that is closed"),
    ],
)
def test_a_stem_that_stdout_does_not_take_is_lost_and_nothing_is_left(
    shell: Shell, line: str, exit_code: int, word: str
) -> None:
    if "full" in line and not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    before = sorted(Path().rglob("*"))
    command = "stemsplit song.wav -m spectral --stems bass -o -"
    result = shell(f"{{ {command}; echo $? > code; }} {line}")
    assert Path("code").read_text() == f"{exit_code}\n"
    assert word in result.stderr
    Path("code").unlink()
    assert sorted(Path().rglob("*")) == before


def test_a_song_from_a_stdin_that_is_closed_is_bad_usage(shell: Shell) -> None:
    result = shell("stemsplit - -m spectral -o out <&-")
    assert result.returncode == 2
    assert "- reads a song from stdin, and that is closed." in result.stderr
    assert not Path("out").exists()


RESULTS = [
    "--version",
    "separate --help",
    "models list",
    "models show spectral --json",
    "song.wav -m spectral --dry-run",
    "evaluate data -m spectral",
    "evaluate data -m spectral --json",
    "demo",
    "doctor --offline",
    "bench -m spectral --seconds 1 --json",
]
"""Commands whose result is what they print: without that, nothing has come of them."""


@pytest.fixture
def data_set(workplace: Path) -> Path:
    """One track and its true stems."""
    track = workplace / "data" / "test" / "track"
    track.mkdir(parents=True)
    for name in ("mixture", "drums", "bass", "other", "vocals"):
        write_sndfile(track / f"{name}.wav", tone(44_100))
    return workplace / "data"


@pytest.mark.slow
@pytest.mark.usefixtures("data_set")
@pytest.mark.parametrize(
    ("command", "redirection", "reason"),
    [
        *(
            pytest.param(command, *STDOUT_LOST[1].values, marks=needs_full_device)
            for command in RESULTS
        ),
        ("models list", *STDOUT_LOST[0].values),
        ("evaluate data -m spectral --json", *STDOUT_LOST[0].values),
    ],
)
def test_a_result_that_cannot_be_printed_is_exit_code_1_unless_nobody_reads_it(
    shell: Shell, command: str, redirection: str, reason: str
) -> None:
    result = shell(f"stemsplit {command} {redirection}")
    what = "JSON" if "--json" in command else "output"
    exit_code, kind = EXIT_CODES[redirection]
    assert result.returncode == exit_code
    assert result.stderr.endswith(f"{kind}: The {what} is incomplete: {reason}. {LOST}")
    assert "defect" not in result.stderr
    if command.startswith("evaluate"):  # the figures are in their file all the same
        lines = Path("evaluation.jsonl").read_text().splitlines()
        models = [json.loads(line)["model"] for line in lines]
        assert "spectral" in models


@pytest.mark.slow
@needs_full_device
@pytest.mark.usefixtures("data_set")
@pytest.mark.parametrize("command", RESULTS)
def test_without_stderr_results_are_printed(shell: Shell, command: str) -> None:
    result = shell(f"stemsplit {command} 2> /dev/full")
    assert result.returncode == (1 if "doctor" in command else 0)  # htdemucs is not here
    assert result.stdout


@pytest.mark.slow
@pytest.mark.usefixtures("data_set")
@pytest.mark.parametrize("command", RESULTS)
def test_a_reader_of_results_may_stop_early(shell: Shell, command: str) -> None:
    result = shell(f"{{ sleep 0.2; stemsplit {command}; echo $? > code; }} | true")
    assert Path("code").read_text() == ("1\n" if "doctor" in command else "0\n")
    assert "Error" not in result.stderr
    assert "defect" not in result.stderr


def test_what_the_encoding_of_stdout_lacks_is_escaped(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    Path("song.wav").rename("é.wav")
    result = shell("stemsplit 'é.wav' -m spectral --stems bass")
    assert result.returncode == 0, result.stderr
    assert r"spectral/\xe9/bass.wav" in result.stdout


def test_a_pipe_that_does_not_wait_is_waited_for() -> None:
    code = (
        "import os, sys; from stemsplit.cli.streams import guard_streams, take_stdout_error;"
        "os.set_blocking(1, False); guard_streams();"
        "[print('x' * 9999, flush=True) for _ in range(100)];"
        "sys.exit(repr(take_stdout_error()))"
    )
    process = subprocess.run(
        ["sh", "-c", '"$0" -c "$1" | { sleep 0.5; cat; }', sys.executable, code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    assert process.stdout.count("\n") == 100
    assert process.stderr == "None\n"
