"""One process per track: the others pass it over and look again later."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from stemsplit.audio.write.output_files import make_folders, remove_folders, track_key, writing

_NUM_TRIES = 3


class TrackBusyError(Exception):
    """Another process is at work on the track."""


@contextmanager
def track_lock(record_file: Path) -> Iterator[None]:
    """Holds the lock of the track with that record; it dies with the process.

    The lock is a hidden file where the record will be. There, and not in the system's temporary
    folder, every process that could write the track finds it: those of other users, in other
    containers, and with another --output that leads to the same place.

    It is removed while it is still held. A process that had opened it before then locks a file
    without a name, which `filelock` notices. So a lock file is there only while someone works on
    the track, or after someone was killed at it: see `has_lock_file`.

    Raises:
        TrackBusyError: another process holds it.
        AudioWriteError: the file cannot be made.
    """
    with writing(record_file):
        made_folders, lock = _acquire(record_file)
    try:
        yield
    finally:
        release(lock)
        remove_folders(made_folders)


def has_lock_file(record_file: Path) -> bool:
    """Whether someone works on the track, or was killed while at work on it."""
    return _lock_file(record_file).exists()


def _lock_file(record_file: Path) -> Path:
    return record_file.parent / f".stemsplit-{track_key(record_file)}.lock"


def _acquire(record_file: Path) -> tuple[list[Path], FileLock]:
    lock = FileLock(_lock_file(record_file), timeout=0)
    made_folders: list[Path] = []
    for num_left in reversed(range(_NUM_TRIES)):
        try:
            made_folders += make_folders(record_file.parent)
            lock.acquire()
        except Timeout:
            raise TrackBusyError from None
        except FileNotFoundError:
            # A process that failed at its track has removed the empty folder in between.
            if not num_left:
                raise
        else:
            break
    return made_folders, lock


def release(lock: FileLock) -> None:
    """Lets go of a lock, and removes its file while nobody else can have it."""
    lock_file = Path(lock.lock_file)
    if os.name == "nt":  # removes no open file, neither ours nor that of the next holder
        lock.release()
        with suppress(OSError):
            lock_file.unlink()
    else:
        with suppress(OSError):
            lock_file.unlink()
        lock.release()
