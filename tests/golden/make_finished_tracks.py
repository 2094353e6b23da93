"""Makes finished_tracks.zip: a song, a model, and what released versions made of them.

    python -m tests.golden.make_finished_tracks

Runs the commands below with the program as it was, taken from the repository's history, and keeps
their outputs and records as VERSION/RUN/...; the commands were given in the zip's top folder.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

ZIP = Path(__file__).with_name("finished_tracks.zip")

VERSIONS: Mapping[str, str] = {"0.4.0": "61c1812049d1", "0.4.1": "934af7d1190d"}
"""The last commit of each release."""

RUNS: Mapping[str, tuple[str, ...]] = {
    "defaults": ("-m", "spectral"),
    "floats": (
        *("-m", "spectral", "--bit-depth", "32f", "--residual", "--clip", "clamp", "--no-tags"),
        *("--overlap", "0.1", "--segment", "5", "--shifts", "1", "--seed", "3"),
    ),
    "excerpt": (
        *("-m", "spectral", "--start", "0.001", "--end", "0.005", "--stems", "vocals,bass"),
        *("--mix", "practice = mixture - drums", "--lfe", "drums", "--dither"),
        *("--bit-depth", "16", "--sum-to-mix", "--mix", "rest = other"),
    ),
    "karaoke": ("-m", "spectral", "--two-stems", "vocals", "--other-method", "add", "--flac"),
    "lossy": ("-m", "spectral", "--two-stems", "vocals", "--mp3", "--mp3-bitrate", "32"),
    "stem file": ("-m", "spectral", "--format", "stem.mp4", "--codec", "alac"),
    "steps": ("-m", "spectral", "--stems", "vocals", "--then", "other: spectral", "--flac"),
    "networks": ("-m", "bag/tiny.yaml", "--precision", "fp32"),
    "blend": ("-m", "vocals=bag/tiny.yaml,*=spectral", "--format", "aiff", "--sample-rate=22050"),
    "names": ("-m", "spectral", "--template", "{track}/{stem} ({model}).{ext}", "--flac"),
}


def command(run: str) -> tuple[str, ...]:
    """What was typed, without the folder for the outputs."""
    return ("separate", "song.wav", *RUNS[run], "--offline")


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        music = Path(place) / "music"
        music.mkdir()
        _make_song_and_model(music)
        for version, commit in VERSIONS.items():
            program = Path(place) / version
            exported = subprocess.run(
                ["git", "archive", commit], stdout=subprocess.PIPE, check=True
            )
            with tarfile.open(fileobj=io.BytesIO(exported.stdout)) as tar:
                tar.extractall(program, filter="data")
            for run in RUNS:
                subprocess.run(
                    [
                        sys.executable,
                        "-m",
                        "stemsplit",
                        *command(run),
                        "-q",
                        "-o",
                        f"{version}/{run}",
                    ],
                    env={**os.environ, "PYTHONPATH": str(program)},
                    cwd=music,
                    check=True,
                )
        with zipfile.ZipFile(ZIP, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(music.rglob("*")):
                archive.write(path, path.relative_to(music))


def _make_song_and_model(folder: Path) -> None:
    from tests.audio.songs import tone, write_sndfile
    from tests.models.random_models import demucs, write_bag

    write_sndfile(folder / "song.wav", tone(400), subtype="PCM_16")
    (folder / "bag").mkdir()
    networks = [demucs(seed, channels=4, depth=2) for seed in range(2)]
    write_bag(folder / "bag", "tiny", networks, [[1, 0, 1, 0], [0, 1, 0, 1]])


if __name__ == "__main__":
    main()
