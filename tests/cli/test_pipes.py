"""`-` as input and as output: stdin and stdout."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from filelock import FileLock
from typer.testing import CliRunner, Result

from stemsplit.cli.app import app
from tests.audio.songs import tone, write_pyav
from tests.cli.conftest import Stemsplit

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SPECTRAL = ("-m", "spectral", "--stems", "vocals")


def pipe(song: bytes, *arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=song)


def left_over() -> list[str]:
    return sorted(path.as_posix() for path in Path().rglob(".stemsplit*"))


def test_a_song_from_stdin_is_a_track_called_stdin(stemsplit: Stemsplit, song: Path) -> None:
    result = pipe(song.read_bytes(), "-", *SPECTRAL)
    assert result.exit_code == 0, result.stderr
    assert stemsplit(song, *SPECTRAL).exit_code == 0
    folder = Path("separated/spectral")
    piped, named = (folder / track / "vocals.wav" for track in ("stdin", "song"))
    assert np.array_equal(soundfile.read(piped)[0], soundfile.read(named)[0])
    assert left_over() == []
    again = pipe(song.read_bytes(), "-", *SPECTRAL)
    assert "already done: skipped" in again.stderr


def test_a_song_from_stdin_is_told_from_a_file_of_that_name(song: Path) -> None:
    data = song.read_bytes()
    song.rename("stdin.wav")
    arguments = ("-", "stdin.wav", *SPECTRAL, "--json")
    for status in ("done", "skipped"):
        result = pipe(data, *arguments)
        assert result.exit_code == 0, result.stderr
        assert result.stdout.count(f'"event": "{status}"') == 2
    stems = sorted(Path("separated/spectral").rglob("vocals.wav"))
    assert [stem.parent.relative_to("separated/spectral").as_posix() for stem in stems] == [
        "stdin/stdin",
        f"{Path.cwd().name}/stdin",
    ]


def test_what_comes_from_stdin_is_known_by_its_content(workplace: Path) -> None:
    samples = tone(44_100)
    path = write_pyav(workplace / "x.mp3", samples, codec="libmp3lame")
    result = pipe(path.read_bytes(), "-", *SPECTRAL, "--template", "a b/{stem}.{ext}")
    assert result.exit_code == 0, result.stderr
    assert soundfile.info("separated/a b/vocals.wav").samplerate == 44_100


def test_one_stem_goes_to_stdout_and_nothing_else(stemsplit: Stemsplit, song: Path) -> None:
    assert stemsplit(song, *SPECTRAL).exit_code == 0
    expected = Path("separated/spectral/song/vocals.wav").read_bytes()
    before = sorted(Path().rglob("*"))
    named = pipe(b"", song, *SPECTRAL, "-o", "-")
    piped = pipe(song.read_bytes(), "-", *SPECTRAL, "-o", "-", "--no-tags")
    for result in (named, piped):
        assert result.exit_code == 0, result.stderr
        assert "1 of 1" in result.stderr
    assert named.stdout_bytes == expected
    heard, _ = soundfile.read(io.BytesIO(piped.stdout_bytes))
    assert np.array_equal(heard, soundfile.read(io.BytesIO(expected))[0])
    assert sorted(Path().rglob("*")) == before  # no record, no spool


@pytest.mark.parametrize("container", ["flac", "mp3"])
def test_stdout_gets_the_format_that_was_asked_for(song: Path, container: str) -> None:
    result = pipe(b"", song, *SPECTRAL, "-o", "-", "--format", container)
    assert result.exit_code == 0, result.stderr
    info = soundfile.info(io.BytesIO(result.stdout_bytes))
    assert (info.format.lower(), info.frames) == (container, 22_050)


def test_a_mix_can_go_to_stdout(song: Path) -> None:
    arguments = ("--mix", "practice = mixture - drums", "--bit-depth", "32f")
    result = pipe(b"", song, "-m", "spectral", "-o", "-", *arguments)
    assert result.exit_code == 0, result.stderr
    samples, _ = soundfile.read(io.BytesIO(result.stdout_bytes))
    assert samples.shape == (22_050, 2)


def test_a_real_pipe_which_cannot_seek(song: Path) -> None:
    command = [sys.executable, "-m", "stemsplit", "-", *SPECTRAL, "-o", "-", "-q"]
    with song.open("rb") as file:
        first = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
        second = subprocess.run(
            command, stdin=first.stdout, capture_output=True, check=False, timeout=120, cwd=ROOT
        )
        assert first.stdout is not None
        first.stdout.close()
        first.wait()
    assert (second.returncode, second.stderr) == (0, b"")
    samples, rate = soundfile.read(io.BytesIO(second.stdout))
    assert (samples.shape, rate) == ((22_050, 2), 44_100)
    assert np.isfinite(samples).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["song.wav", "-o", "-", "-m", "spectral"], "not 4: drums, bass, other, vocals. Choose"),
        (["song.wav", "-o", "-", "-m", "spectral", "--two-stems", "bass"], "not 2: bass, no_bass"),
        (["song.wav", "-", "-o", "-", *SPECTRAL], "not 2: vocals, vocals"),
        (["song.wav", "-o", "-", *SPECTRAL, "--json"], "where --json and --dry-run print"),
        (["song.wav", "-o", "-", *SPECTRAL, "--dry-run"], "where --json and --dry-run print"),
    ],
)
def test_more_than_one_output_cannot_go_to_stdout(
    song: Path, arguments: list[str], message: str
) -> None:
    result = pipe(song.read_bytes(), *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout_bytes == b""
    assert sorted(path.name for path in Path().iterdir()) == ["song.wav"]


@pytest.mark.parametrize(("song", "message"), [(b"", "is empty"), (b"no music", "is not audio")])
def test_stdin_that_is_no_song_fails_and_leaves_nothing(
    workplace: Path, song: bytes, message: str
) -> None:
    result = pipe(song, "-", *SPECTRAL)
    assert result.exit_code == 1
    assert f"Failed: stdin {message}" in result.stderr
    assert ".stemsplit-stdin" not in result.stderr
    assert list(workplace.iterdir()) == []
    assert pipe(song, "-", *SPECTRAL, "-o", "-").stdout_bytes == b""


def test_a_terminal_is_neither_a_song_nor_a_place_for_one(
    song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from stemsplit.cli import pipes

    monkeypatch.setattr(pipes.sys, "stdin", io.TextIOWrapper(_Terminal()))
    monkeypatch.setattr(pipes.sys, "stdout", io.TextIOWrapper(_Terminal()))
    from stemsplit.errors import UsageError

    with (
        pytest.raises(UsageError, match="reads a song from stdin, and that is a terminal"),
        pipes.connected([Path("-")], song.parent / "new"),
    ):
        pass
    with pytest.raises(UsageError, match="goes to stdout, and that is a terminal"):
        pipes.is_stdout(Path("-"), prints=False)
    assert not (song.parent / "new").exists()


class _Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def test_what_a_killed_run_left_of_stdin_is_removed(song: Path) -> None:
    orphan, alive = (Path("separated", f".stemsplit-stdin-{name}") for name in ("dead", "alive"))
    for spool in (orphan, alive):
        spool.mkdir(parents=True)
        (spool / "stdin").write_bytes(b"x")
    with FileLock(alive / "lock"):
        assert pipe(song.read_bytes(), "-", *SPECTRAL).exit_code == 0
    assert not orphan.exists()
    assert (alive / "stdin").exists()
