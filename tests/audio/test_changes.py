"""Files that somebody else writes to, cuts or replaces while they are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from stemsplit.audio.source import look, read_blocks
from stemsplit.errors import AudioReadError
from tests.audio.songs import tone, write_pyav, write_sndfile

CHANGED = "song changed while it was being separated"


def make(folder: Path, reader: str) -> Path:
    path = folder / "song"
    if reader == "ffmpeg":
        return write_pyav(path, tone(300_000), codec="flac", container="flac")
    if reader == "libsndfile":
        return write_sndfile(path, tone(300_000), container="OGG", subtype="VORBIS")
    return write_sndfile(path, tone(300_000), container="WAV", subtype="PCM_16")


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(bytes(10_000))


def overwrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * 20_000)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1_000_000))  # clocks of file systems are coarse


def replace(path: Path) -> None:
    """Puts another file there, of the same size and age."""
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(bytes(before.st_size))
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


CHANGES: list[Callable[[Path], None]] = [cut, append, overwrite, replace, Path.unlink]


@pytest.mark.skipif(os.name == "nt", reason="Windows lets nobody change a file that is read")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("reader", ["linear", "libsndfile", "ffmpeg"])
def test_a_file_that_changes_is_said_to(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], reader: str, change: Callable[[Path], None]
) -> None:
    path = make(tmp_path, reader)
    blocks = read_blocks(path, block_samples=1000)
    next(blocks)
    change(path)
    with pytest.raises(AudioReadError, match=CHANGED) as caught:
        list(blocks)
    assert caught.value.hint
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_file_must_be_as_it_was_when_it_was_looked_at(
    tmp_path: Path, change: Callable[[Path], None]
) -> None:
    path = make(tmp_path, "linear")
    seen = look(path)
    change(path)
    with pytest.raises(AudioReadError, match=CHANGED):
        list(read_blocks(path, state=seen.state))


def test_what_changes_no_sound_is_no_change(tmp_path: Path) -> None:
    path = make(tmp_path, "linear")
    seen = look(path)
    path.chmod(0o600)
    path.rename(tmp_path / "moved")
    (tmp_path / "moved").rename(path)
    (tmp_path / "link").hardlink_to(path)
    assert sum(block.shape[-1] for block in read_blocks(path, state=seen.state)) == 300_000
