"""How often a song is opened: once to look at it, however many ask, and once for each use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stemsplit.audio import source
from stemsplit.batch.discover import discover
from tests.audio.songs import tone, write_pyav, write_sndfile

# The headers are gone through, ffmpeg looks at the song, and then it is hashed, heard for its
# level, separated, and asked for its tags.
MOST_OPENS = {"mp3": 6, "wav": 6, "aac": 6, "aiff": 6}

SCRIPT = """
import collections, json, os, sys
from typer.main import get_command

opened = collections.Counter()
folder = os.path.realpath(sys.argv[1])

def count(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        path = os.path.realpath(os.fsdecode(arguments[0]))
        if os.path.dirname(path) == folder:
            opened[os.path.basename(path)] += 1

from stemsplit.cli.app import app
command = get_command(app)
sys.addaudithook(count)
code = command.main([sys.argv[1], "-m", "spectral", "--stems", "bass", "-o", sys.argv[2], "-q"],
                    standalone_mode=False)
print(json.dumps([code or 0, opened]))
"""


@pytest.mark.slow
def test_a_song_is_opened_no_more_often_than_it_is_used(tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    for kind, codec in (("mp3", "libmp3lame"), ("aac", "aac")):
        container = {"aac": "adts"}.get(kind, kind)
        write_pyav(songs / f"{kind}.{kind}", tone(20_000), codec=codec, container=container)
    for kind in ("wav", "aiff"):
        write_sndfile(songs / f"{kind}.{kind}", tone(20_000))
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(songs), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    code, opened = json.loads(process.stdout)
    assert code == 0
    for kind, most in MOST_OPENS.items():
        assert 1 <= opened[f"{kind}.{kind}"] <= most, opened


def test_a_song_that_was_found_is_looked_at_again_only_if_it_changed(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "song.wav", tone(1000))
    (song,) = discover([tmp_path]).songs
    assert song.look is not None
    assert song.look.info.num_samples == 1000
    assert song.look.is_current()
    os.utime(path, ns=(1, 1))
    assert not song.look.is_current()
    path.unlink()
    assert not song.look.is_current()


def test_discovery_looks_at_each_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from stemsplit.batch import discover as module

    looked_at = []

    def counted(path: Path) -> source.Look:
        looked_at.append(Path(path).name)
        return source.look(path)

    monkeypatch.setattr(module, "look", counted)
    for number in range(300):  # more than are remembered anywhere
        (tmp_path / f"{number}.wav").write_bytes(b"RIFF")
    write_sndfile(tmp_path / "song", tone(100), container="WAV")
    found = discover([tmp_path, tmp_path / "song"])
    assert len(found.songs) == 301
    assert sorted(looked_at) == sorted([*(f"{n}.wav" for n in range(300)), "song"])
