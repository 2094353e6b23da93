"""Files as they are opened where anybody may have put them: none that waits, none in disguise."""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

# Windows has neither: there a name cannot stand for a pipe, and links take a privilege.
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_KINDS = (
    (stat.S_ISDIR, "it is a folder"),
    (stat.S_ISFIFO, "it is a pipe"),
    (stat.S_ISSOCK, "it is a socket"),
)


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
