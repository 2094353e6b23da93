"""Files that outlast a power cut.

An operating system keeps what was written in memory for up to half a minute, and may put a new name
on the disk before the content that belongs to it: after a power cut there is then an empty file
under its final name. So content comes first (`sync_file`), then the name, then the folder that
holds the name (`sync_folder`). `replace` does the three for one file; whoever has several syncs all
of them, renames all of them, and syncs each folder once.
"""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

try:
    from fcntl import F_FULLFSYNC, fcntl  # type: ignore[attr-defined,unused-ignore]
except ImportError:  # not macOS
    F_FULLFSYNC = None

# What file systems answer that have nothing like it: FUSE, some network disks.
_NOT_SUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOTTY}
# For folders they have more answers; of a broken or full disk there are these.
_BROKEN = {errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def replace(part: Path, path: Path) -> None:
    """Renames a finished file: whatever happens, `path` is the whole old file or the whole new one.

    Raises:
        OSError: the disk did not take it; `path` is what it was.
    """
    sync_file(part)
    part.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Returns when the content of a file, which was closed, is on the disk.

    Raises:
        OSError: the disk did not take it. Some tell of a full disk only here.
    """
    # Windows only syncs what is open for writing.
    descriptor = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        _sync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_SUPPORTED:
            raise
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Returns when the names in the folder are on the disk, where the system can tell.

    Raises:
        OSError: the disk is broken.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # Windows opens no folders, and a folder may be writable without being readable
    try:
        _sync(descriptor)
    except OSError as error:
        if error.errno in _BROKEN:
            raise
    finally:
        os.close(descriptor)


def _sync(descriptor: int) -> None:
    if F_FULLFSYNC is not None:
        # On macOS, fsync leaves the content in the memory of the disk itself.
        with suppress(OSError):  # not every disk can: then as everywhere
            fcntl(descriptor, F_FULLFSYNC)
            return
    os.fsync(descriptor)
