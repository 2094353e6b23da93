"""Every way in which a run can fail: one line, the documented exit code, nothing left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.songs import (
    SHARED_AUDIO,
    tone,
    write_long,
    write_pyav,
    write_sndfile,
    write_video,
)
from tests.cli.conftest import Stemsplit
from tests.cli.processes import nothing_left, run_process
from tests.hub.loopback import Hub

pytestmark = pytest.mark.slow


def nan_song(path: Path) -> None:
    samples = tone(9000)
    samples[0, 4410] = np.nan
    write_sndfile(path, samples, subtype="FLOAT")


def infinite_song(path: Path) -> None:
    samples = tone(9000)
    samples[1, 0] = np.inf
    write_sndfile(path, samples, subtype="FLOAT")


BAD_SONGS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty.wav": (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
    "text.mp3": (lambda path: path.write_text("la la la\n" * 500), "is not audio"),
    "picture.jpg": (lambda path: path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(999)), "audio"),
    "nan.wav": (nan_song, "not finite numbers: at least 1, the first at 0.100 seconds"),
    "inf.wav": (infinite_song, "not finite numbers: at least 1, the first at 0.000 seconds"),
    "silent film.mp4": (write_video, "has no audio in it"),
    "choir.wav": (lambda path: write_sndfile(path, tone(900, num_channels=40)), "40 channels"),
}


@pytest.mark.parametrize("name", BAD_SONGS)
def test_a_bad_song_is_one_line_and_exit_code_1(stemsplit: Stemsplit, name: str) -> None:
    make, message = BAD_SONGS[name]
    make(Path(name))
    result = stemsplit(name, "-m", "spectral")
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("Failed:")]
    assert message in line
    assert "Traceback" not in result.output
    assert nothing_left()


def test_a_folder_of_nothing(stemsplit: Stemsplit) -> None:
    Path("nothing").mkdir()
    result = stemsplit("nothing", "-m", "spectral")
    assert result.exit_code == 1
    assert "The folder nothing holds no audio." in result.stderr


ODD_SONGS: dict[str, np.ndarray] = {
    "no samples": np.zeros((2, 0), np.float32),
    "one sample": np.full((2, 1), 0.5, np.float32),
    "silence": np.zeros((2, 30_000), np.float32),
    "offset": np.full((2, 30_000), 0.25, np.float32),
}


@pytest.mark.parametrize("name", ODD_SONGS)
@pytest.mark.parametrize("model", ["spectral", "htdemucs"])
def test_odd_songs_are_separated(
    stemsplit: Stemsplit, bag_folder: Path, name: str, model: str
) -> None:
    samples = ODD_SONGS[name]
    write_sndfile(Path(f"{name}.wav"), samples, subtype="FLOAT")
    reference = bag_folder if model == "htdemucs" else model
    result = stemsplit(f"{name}.wav", "-m", reference, "-o", "out")
    assert result.exit_code == 0, result.stderr
    for path in Path("out").rglob("*.wav"):
        stem, _ = soundfile.read(path)
        assert len(stem) == samples.shape[-1]
        assert np.isfinite(stem).all()
        if name == "silence":
            assert not stem.any()


def test_a_cut_off_mp3_is_separated_as_far_as_it_goes_with_a_warning(
    stemsplit: Stemsplit,
) -> None:
    whole = write_pyav(Path("whole.mp3"), tone(88_200), codec="libmp3lame").read_bytes()
    Path("cut.mp3").write_bytes(whole[: len(whole) // 2])
    result = stemsplit("cut.mp3", "-m", "spectral")
    assert result.exit_code == 0
    assert "cut.mp3 seems cut off: its header promises 2.00 s" in result.stderr
    frames = soundfile.info("separated/spectral/cut/bass.wav").frames
    assert 0.3 * 88_200 < frames < 0.7 * 88_200


def test_an_unknown_model_is_exit_code_3_with_a_guess(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, "-m", "htdemuc")
    assert result.exit_code == 3
    assert "No model is called 'htdemuc'. Did you mean htdemucs" in result.stderr
    assert nothing_left()


def test_a_named_model_that_cannot_be_had_is_never_replaced(
    stemsplit: Stemsplit, song: Path
) -> None:
    result = stemsplit(song, "-m", "htdemucs", "--offline")
    assert result.exit_code == 3
    assert "stays offline" in result.stderr
    assert nothing_left()


def test_without_a_named_model_the_built_in_one_runs_and_says_so(
    stemsplit: Stemsplit, song: Path
) -> None:
    result = stemsplit(song)
    assert result.exit_code == 0
    loud = (
        "Note: spectral runs in place of htdemucs, far less cleanly. Once there is a network: "
        "`stemsplit models pull htdemucs`\n"
    )
    assert result.stderr.count(loud) == 2
    assert result.stderr.startswith(loud)
    assert result.stderr.endswith(loud)
    record = Path("separated/spectral/song/stemsplit.json").read_text()
    assert "htdemucs could not be had: htdemucs.yaml of adefossez/HTDemucs@main is not" in record


def test_a_corrupt_checkpoint_is_exit_code_3(
    stemsplit: Stemsplit, song: Path, bag_folder: Path
) -> None:
    shutil.copytree(bag_folder, "broken")
    (network,) = Path("broken").glob("*.safetensors")
    network.write_bytes(network.read_bytes()[:-100])
    result = stemsplit(song, "-m", "broken")
    assert result.exit_code == 3
    assert "damaged or truncated" in result.stderr


def test_a_corrupt_download_is_refused(stemsplit: Stemsplit, song: Path, hub: Hub) -> None:
    hub.corrupt = True
    result = stemsplit(song, "-m", "htdemucs")
    assert result.exit_code == 3
    hub.corrupt = False
    assert stemsplit(song, "-m", "htdemucs").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stems", "vocal"], "no stem 'vocal'. Did you mean vocals?"),
        (["--two-stems", "kazoo"], "no stem 'kazoo'"),
        (["--stems", "drums", "--two-stems", "drums"], "exclude each other"),
        (["--stems", ","], "--stems names no stem"),
        (["--format", "flac", "--bit-depth", "32f"], "FLAC"),
        (["--format", "tape"], "tape"),
        (["--template", "../{stem}.{ext}"], "leaves the output folder"),
        (["--template", "{track}.{ext}"], "It needs {stem}"),
        (["--overlap", "1"], "--overlap"),
        (["--shifts", "-1"], "--shifts"),
        (["--device", "abacus"], "'abacus' is not a device"),
        (["--batch-size", "many"], "--batch-size must be auto or a number, got 'many'"),
        (["--sample-rate", "high"], "--sample-rate 'high' is no rate"),
        (["--threads", "0"], "--threads"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_bad_usage_is_exit_code_2(
    stemsplit: Stemsplit, song: Path, arguments: list[str], message: str
) -> None:
    result = stemsplit(song, "-m", "spectral", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert nothing_left()


def test_no_input_is_exit_code_2(stemsplit: Stemsplit) -> None:
    assert stemsplit("separate").exit_code == 2


def test_an_output_folder_that_is_a_file_is_an_error(stemsplit: Stemsplit, song: Path) -> None:
    Path("occupied").write_text("mine")
    result = stemsplit(song, "-m", "spectral", "-o", "occupied")
    assert result.exit_code == 2
    assert "occupied is a file, and a folder is needed there." in result.stderr
    assert Path("occupied").read_text() == "mine"


def test_a_users_file_is_not_overwritten_unasked(stemsplit: Stemsplit, song: Path) -> None:
    mine = Path("separated/spectral/song/drums.wav")
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    result = stemsplit(song, "-m", "spectral")
    assert result.exit_code == 1
    assert "drums.wav already exists." in result.stderr
    assert mine.read_text() == "mine"
    assert list(mine.parent.iterdir()) == [mine]


def test_a_defect_of_ours_is_one_line_and_takes_no_other_song_with_it(
    stemsplit: Stemsplit, song: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("stemsplit.batch.track._write", fail)
    result = stemsplit(song, "-m", "spectral")
    assert result.exit_code == 1
    assert "unexpected RuntimeError: boom" in result.stderr
    assert nothing_left()


@pytest.mark.skipif(os.name == "nt", reason="no such shell")
def test_streams_that_were_closed_before_the_start_are_no_error(workplace: Path) -> None:
    script = 'exec "$0" -m stemsplit models list >&- 2>&-'
    process = subprocess.run(
        ["sh", "-c", script, sys.executable], cwd=workplace, timeout=60, check=False
    )
    assert process.returncode == 0


@pytest.mark.usefixtures("usual_signals")
@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
def test_ctrl_c_is_exit_code_130_and_leaves_nothing(workplace: Path) -> None:
    write_long(workplace / "long.wav", 300)
    process = run_process("long.wav", "-m", "spectral")
    deadline = time.monotonic() + 300
    while not list(workplace.rglob(".stemsplit-*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 130, stderr
    assert "Interrupted" in stderr
    assert "Traceback" not in stderr
    assert nothing_left()


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0, reason="mounts a small disk"
)
def test_a_full_disk_is_one_line_and_leaves_nothing(workplace: Path, song: Path) -> None:
    disk = workplace / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here")
    try:
        process = run_process(song.name, "-m", "spectral", "-o", "disk")
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 1, stderr
        assert "No space left on device" in stderr
        assert "Traceback" not in stderr
        assert list(disk.rglob("*")) == []
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.skipif(not SHARED_AUDIO.exists(), reason="the shared test songs are not here")
def test_a_real_song_without_a_network(stemsplit: Stemsplit) -> None:
    result = stemsplit(SHARED_AUDIO / "demucs_test.mp3")
    assert result.exit_code == 0
    assert "spectral runs in place of htdemucs" in result.stderr
    for path in Path("separated/spectral/demucs_test").glob("*.wav"):
        assert soundfile.info(path).frames == 882_000
