from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from stemsplit.audio.source import hash_file
from stemsplit.batch.record_file import read_record
from stemsplit.cli.bench_results import read_measurements
from stemsplit.errors import AudioReadError, UsageError
from stemsplit.evaluate.results_file import read_records
from stemsplit.files import open_regular, read_regular

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"content")
    link.symlink_to(file)
    for path in (file, link):
        with open_regular(path) as opened:
            assert opened.read() == b"content"
        assert read_regular(path, 7) == b"content"
        with pytest.raises(OSError, match="more than 6 bytes"):
            read_regular(path, 6)


def test_what_would_wait_for_ever_is_not_opened(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(OSError, match="it is a pipe, not a file"):
            open_regular(path)
    with pytest.raises(OSError, match="it is a folder, not a file"):
        open_regular(tmp_path)
    with pytest.raises(OSError, match="it is a device, not a file"):
        read_regular("/dev/zero", 1 << 30)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="it is a socket, not a file"):
            open_regular(tmp_path / "socket")
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "nothing")


def test_a_pipe_that_took_the_place_of_the_file_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"")
    status = os.stat(path)  # noqa: PTH116
    path.unlink()
    os.mkfifo(path)
    monkeypatch.setattr(os, "stat", lambda _: status)
    with pytest.raises(OSError, match="it is a pipe"):
        open_regular(path)


def test_what_is_read_beside_songs_is_a_file_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "stemsplit.json"
    os.mkfifo(path)
    assert read_record(path) is None
    assert read_measurements(path) == []
    with pytest.raises(UsageError, match="cannot be read: it is a pipe, not a file"):
        read_records(path)
    with pytest.raises(AudioReadError, match="it is a pipe, not a file"):
        hash_file(path)
