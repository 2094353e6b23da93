"""What is on the disk before a file gets its name."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from stemsplit import durable


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was synced and renamed, in order: files and folders by their names."""
    seen: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def note_sync(descriptor: int) -> None:
        seen.append("sync " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def note_rename(part: Path, path: Path) -> Path:
        seen.append(f"rename {part.name} {path.name}")
        return replace(part, path)

    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_rename)
    return seen


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc for names")
def test_content_then_name_then_folder(tmp_path: Path, steps: list[str]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "part").write_bytes(b"new")
    (folder / "file").write_bytes(b"old")
    durable.replace(folder / "part", folder / "file")
    assert (folder / "file").read_bytes() == b"new"
    assert steps == ["sync part", "rename part file", "sync folder"]


@pytest.mark.parametrize(("code", "is_fatal"), [(errno.EIO, True), (errno.EINVAL, False)])
def test_a_disk_that_fails_is_told_from_one_that_cannot_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, is_fatal: bool
) -> None:
    (tmp_path / "part").write_bytes(b"new")
    (tmp_path / "file").write_bytes(b"old")

    def fail(_descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    monkeypatch.setattr(durable, "F_FULLFSYNC", None)
    if is_fatal:
        with pytest.raises(OSError, match=os.strerror(code)):
            durable.replace(tmp_path / "part", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == b"old"
    else:
        durable.replace(tmp_path / "part", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == b"new"


def test_a_folder_that_cannot_be_opened_is_passed_over(tmp_path: Path) -> None:
    durable.sync_folder(tmp_path / "not there")
    durable.sync_folder(tmp_path)
