"""Files as they are opened where anybody may have put them: none that waits, none in disguise."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from typing import BinaryIO

# Windows has neither: there a name cannot stand for a pipe, and links take a privilege.
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_KINDS = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
)


@dataclass(frozen=True, slots=True)
class FileState:
    """By what a file is known to be as it was: nobody wrote to it, or put another in its place."""

    num_bytes: int
    modified_ns: int
    inode: int
    status_ns: int

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> FileState:
        """That of a file now.

        Raises:
            OSError: there is none, or it cannot be reached.
        """
        status = os.stat(path)  # noqa: PTH116
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime_ns)

    def is_that_of(self, path: str | os.PathLike[str]) -> bool:
        """Whether the file is still in that state.

        Some network drives number their files anew, and links and permissions may change while
        somebody reads: a number counts only where the status has changed too.
        """
        try:
            now = FileState.of(path)
        except OSError:
            return False
        if (now.num_bytes, now.modified_ns) != (self.num_bytes, self.modified_ns):
            return False
        return now.inode == self.inode or now.status_ns == self.status_ns


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """The file, open for reading, if it is a file: a pipe under its name would wait for ever.

    Links are followed, since people keep their models on other disks.

    Raises:
        OSError: it cannot be opened, or is a pipe, a device, a socket or a folder, which
            `strerror` says.
    """
    _check_regular(os.stat(path), path)  # noqa: PTH116 - opening a device may set it going
    descriptor = os.open(path, os.O_RDONLY | _BINARY | _NONBLOCK)
    try:
        _check_regular(os.fstat(descriptor), path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_to_continue(path: str | os.PathLike[str]) -> BinaryIO:
    """The file, open for reading and writing at its beginning; made if there is none.

    It is one that has this name and no other. Whatever else is there, a link or a pipe that someone
    has put in its place, is removed, so that nothing is ever written through it.

    Raises:
        OSError: it cannot be opened, or is a folder.
    """
    with contextlib.suppress(FileNotFoundError):
        if not _has_one_name(os.lstat(path)):
            os.unlink(path)  # noqa: PTH108
    flags = os.O_RDWR | os.O_CREAT | _BINARY | _NONBLOCK | _NOFOLLOW
    descriptor = os.open(path, flags, 0o666)
    try:
        if not _has_one_name(os.fstat(descriptor)):
            raise OSError(errno.EMLINK, "it was replaced by a link", os.fspath(path))
        return os.fdopen(descriptor, "r+b")
    except BaseException:
        os.close(descriptor)
        raise


def _has_one_name(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def read_regular(path: str | os.PathLike[str], max_bytes: int) -> bytes:
    """The whole content of a file that should be small.

    Raises:
        OSError: as `open_regular`, or it has more than `max_bytes`.
    """
    with open_regular(path) as file:
        if os.fstat(file.fileno()).st_size <= max_bytes:
            return file.read()
    raise OSError(errno.EFBIG, f"it has more than {max_bytes} bytes", os.fspath(path))


def _check_regular(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    what = next((words for is_kind, words in _KINDS if is_kind(status.st_mode)), "it is a device")
    raise OSError(errno.EINVAL, f"{what}, not a file", os.fspath(path))
