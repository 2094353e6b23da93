"""What is wrong with a command line is found before torch is imported, which takes a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.audio.songs import tone, write_sndfile

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]

RUN = """
import json, sys
from typer.testing import CliRunner
from stemsplit.cli.app import app
result = CliRunner().invoke(app, sys.argv[1:])
heavy = [name for name in ("torch", "soundfile", "av", "huggingface_hub") if name in sys.modules]
print(json.dumps([result.exit_code, result.stdout, result.stderr, heavy]))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_sndfile(tmp_path / "song.wav", tone(500))
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[int, str, str, list[str]]:
    """The exit code, stdout, stderr, and which of the heavy modules were imported."""
    result = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=True,
    )
    answer: Any = json.loads(result.stdout)
    return tuple(answer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--no-such-option"], "No such option: --no-such-option"),
        (["--format", "tape"], "tape"),
        (["--threads", "0"], "--threads must be a whole number between 1 and 1024, got '0'."),
        (["--threads", "1000000"], "between 1 and 1024, got '1000000'."),
        (["--threads", "two"], "--threads must be a whole number between 1 and 1024, got 'two'."),
        (["--seed", "1.5"], "--seed must be a whole number, got '1.5'."),
        (["--seed", "9" * 5000], "--seed must be a whole number, got '99999"),
        (["--segment", "x"], "--segment must be a number, got 'x'."),
        (["--overlap", "half"], "--overlap must be a number, got 'half'."),
        (["-j", "x"], "--jobs must be a whole number, got 'x'."),
        (["--mp3-preset", "9"], "--mp3-preset must be a whole number between 2 and 7, got '9'."),
        (["-o", "song.wav"], "song.wav is a file, and a folder is needed there. Choose another"),
        (["-o", "song.wav/stems"], "song.wav is a file, and a folder is needed there."),
        (["--stems", "vocals,kazoo"], "The model has no stem 'kazoo'."),
        (["--two-stems", "vocal"], "no stem 'vocal'. Did you mean vocals?"),
        (["-m", "htdemucs_6s", "--stems", "guitar,banjo"], "no stem 'banjo'"),
        (["-m", "spectral", "--lfe", "sub"], "no stem 'sub'"),
        (["-m", "spectral", "--mix", "a = mixture - guitar"], "no stem 'guitar'"),
        (["-m", "vocals=spectral,*=htdemucs", "--stems", "x"], "no stem 'x'"),
        (["-m", "guitar=spectral"], "spectral has no stem 'guitar'"),
        (["--then", "voice: karaoke"], "no stem 'voice'"),
        (["-m", "umxse", "--format", "stem.mp4"], "A stem file has the stems drums, bass"),
        (["--stems", "drums", "--two-stems", "drums"], "--stems and --two-stems exclude"),
        (["--residual", "--sum-to-mix"], "--residual and --sum-to-mix exclude each other"),
        (["--preview", "--dry-run"], "--dry-run and --preview exclude each other"),
        (["--quality", "best", "-m", "htdemucs"], "The quality best and the model htdemucs"),
        (["--licence", "permissive", "-m", "htdemucs"], "--licence permissive: that of the"),
        (["-m", "spectral", "-m", "htdemucs"], "--model was given 2 times"),
        (["--format", "flac", "--bit-depth", "32f"], "FLAC stores integers only"),
        (["--flac", "--mp3"], "--flac and --mp3 contradict each other"),
        (["--embed"], "--embed is about a page"),
        (["--template", "{track}.{ext}"], "would write every stem to the same file"),
        (["--overlap", "1"], "--overlap must be at least 0 and below 1"),
        (["--device", "abacus"], "'abacus' is not a device"),
        (["--device", "cuda:0,abacus"], "'abacus' is not a device"),
        (["--batch-size", "many"], "--batch-size must be auto or a number, got 'many'"),
        (["--batch-size", "0"], "--batch-size must be auto or a number, got '0'"),
        (["--then", "vocals"], "does not say which output goes through which model"),
        (["-o", "-", "--json"], "With -o - the stem goes to stdout"),
        (["-o", "-"], "With -o - there must be one song and one output, not 4: drums, bass"),
        (["b.wav", "-o", "-", "--stems", "bass"], "one song and one output, not 2: bass, bass."),
    ],
)
def test_bad_usage(folder: Path, arguments: list[str], message: str) -> None:
    exit_code, stdout, stderr, heavy = run(folder, "song.wav", *arguments)
    assert exit_code == 2
    assert stdout == ""
    assert message in stderr
    assert stderr.count("\n") == 1
    assert heavy == []
    assert [path.name for path in folder.iterdir()] == ["song.wav"]


@pytest.mark.parametrize(
    "arguments",
    [["-m", "htdemuc"], ["-m", "vocals=htdemuc,*=htdemucs"], ["--then", "vocals: htdemuc"]],
)
def test_a_model_that_there_is_not(folder: Path, arguments: list[str]) -> None:
    exit_code, _, stderr, heavy = run(folder, "song.wav", *arguments)
    assert exit_code == 3
    assert "No model is called 'htdemuc'. Did you mean htdemucs" in stderr
    assert heavy == []


@pytest.mark.parametrize("names", [["nothing.wav"], ["nothing.wav", "no/where.mp3"]])
def test_songs_that_there_are_not(folder: Path, names: list[str]) -> None:
    exit_code, stdout, stderr, heavy = run(folder, *names)
    assert exit_code == 1
    assert stdout == ""
    for name in names:
        assert f"Failed: {name} does not exist. Check the spelling and the folder." in stderr
    assert heavy == []


def test_songs_that_there_are_not_in_json(folder: Path) -> None:
    exit_code, stdout, _, heavy = run(folder, "nothing.wav", "--json")
    assert exit_code == 1
    events = [json.loads(line) for line in stdout.splitlines()]
    assert [event["event"] for event in events] == ["failed", "summary"]
    assert events[0]["input"] == str(folder / "nothing.wav")
    assert heavy == []


def test_a_missing_song_takes_no_other_with_it(folder: Path) -> None:
    exit_code, stdout, stderr, _ = run(folder, "nothing.wav", "song.wav", "-m", "spectral")
    assert exit_code == 1
    assert "Failed: nothing.wav does not exist." in stderr
    assert "song.wav: drums.wav, bass.wav, other.wav, vocals.wav in " in stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["song.wav", "--quality", "best", "--stems", "tuba"], "has all of the stems tuba"),
        (["song.wav", "--licence", "permissive", "--stems", "guitar"], "has a permissive licence"),
        (["evaluate", "nowhere"], "There is no file or folder nowhere. Check the spelling"),
        (["evaluate", "--compare", "a.jsonl", "b.jsonl"], "There is no file or folder a.jsonl."),
        (["bench", "--device", "abacus"], "'abacus' is not a device"),
        (["evaluate", ".", "--limit", "0"], "--limit must be a whole number, 1 or more, got '0'."),
        (["bench", "--budget", "x"], "--budget must be a number, 1 or more, got 'x'."),
        (["bench", "--seconds", "nan"], "--seconds must be a number, 0.1 or more, got 'nan'."),
        (["demo", "-o", "song.wav"], "song.wav is a file, and a folder is needed there."),
        (["evaluate", ".", "-m", "htdemuc"], "No model is called 'htdemuc'"),
        (["evaluate", ".", "--device", "abacus"], "'abacus' is not a device"),
        (["demo", "-m", "htdemuc"], "No model is called 'htdemuc'"),
        (["demo", "--device", "abacus"], "'abacus' is not a device"),
        (["demo", "--snr", "5"], "--snr is for noisy speech. Add --speech."),
        (["demo", "--speech", "--snr", "5,x"], "--snr must be a number, got 'x'."),
        (["demo", "--speech", "--clean", "nowhere"], "There is no file or folder nowhere."),
        (["demo", "--speech", "-o", "."], ". is not empty: what is there would be measured as"),
        (["bench", "-m", "htdemuc"], "No model is called 'htdemuc'"),
        (["models", "show", "htdemuc"], "No model is called 'htdemuc'"),
        (["report", "nowhere"], "nowhere is no folder"),
    ],
)
def test_other_mistakes(folder: Path, arguments: list[str], message: str) -> None:
    exit_code, stdout, stderr, heavy = run(folder, *arguments)
    assert exit_code in (1, 2, 3)
    assert stdout == ""
    assert message in stderr
    assert stderr.count("\n") == 1
    assert heavy == []


def test_a_mistyped_command(folder: Path) -> None:
    exit_code, _, stderr, heavy = run(folder, "seperate", "song.wav")
    assert exit_code == 2
    assert "Did you mean `stemsplit separate song.wav`?" in stderr
    assert heavy == []


def test_addresses_are_refused_as_such(folder: Path) -> None:
    names = ["https://example.org/a.mp3", "youtu.be/abc", "s3://bucket/a.wav"]
    (folder / "all.m3u").write_text("\n".join(names))
    for inputs in (names, ["all.m3u"]):
        exit_code, stdout, stderr, heavy = run(folder, *inputs)
        assert exit_code == 1
        assert stdout == ""
        for name in names:
            assert f"Failed: {name} is an address on the network (a URL), and no file." in stderr
        assert heavy == []
    _, stdout, _, _ = run(folder, names[0], "--json")
    assert json.loads(stdout.splitlines()[0])["input"] == names[0]
    _, stdout, _, _ = run(folder, names[0], "--dry-run")
    assert names[0] in stdout


@pytest.mark.parametrize("command", [["song.wav"], ["demo"], ["evaluate", ".", "-m", "spectral"]])
def test_nothing_is_written_to_an_address(folder: Path, command: list[str]) -> None:
    exit_code, _, stderr, _ = run(folder, *command, "-o", "s3://bucket/stems")
    assert exit_code == 2
    assert "-o s3://bucket/stems is an address on the network (a URL), and no folder." in stderr
    assert [path.name for path in folder.iterdir()] == ["song.wav"]


def test_a_playlist_of_good_and_bad_songs(folder: Path) -> None:
    (folder / "a.m3u8").write_text("#EXTM3U\ngone.mp3\nsong.wav\n", encoding="utf-8-sig")
    exit_code, stdout, stderr, _ = run(folder, "a.m3u8", "-m", "spectral", "--stems", "bass")
    assert exit_code == 1
    assert "Failed: gone.mp3 does not exist. Line 2 of a.m3u8 names it." in stderr
    assert "song.wav: " in stdout
