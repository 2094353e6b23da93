"""Whether there is a file that may be read, before anybody asks what is in it."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stemsplit.audio.addresses import as_address
from stemsplit.audio.file_names import display_path
from stemsplit.errors import AudioReadError
from stemsplit.files import FileState, open_regular


def check_readable(path: str | os.PathLike[str]) -> None:
    """Finds out, without asking what is in it, whether there is a file that may be read.

    Raises:
        AudioReadError: missing, a link to nothing, a folder, a device, empty, not permitted.
    """
    path = Path(path)
    with reading_errors(path):
        check_regular(path)
        open_regular(path).close()


def check_regular(path: Path) -> None:
    """Raises AudioReadError unless there is a file with something in it."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise AudioReadError(
            f"{display_path(path)} is a folder.", hint="Name the audio files in it."
        )
    if not stat.S_ISREG(status.st_mode):
        # Statistics and separation are two passes, and a pipe gives only one.
        raise AudioReadError(
            f"{display_path(path)} is not a regular file.", hint="Save the audio to a file first."
        )
    if status.st_size == 0:
        raise AudioReadError(
            f"{display_path(path)} is empty (0 bytes).", hint="Copy or download it again."
        )


@contextmanager
def reading_errors(path: Path) -> Iterator[None]:
    """Turns the operating system's errors into ours."""
    try:
        yield
    except FileNotFoundError as error:
        raise _missing(path) from error
    except PermissionError as error:
        raise AudioReadError(
            f"{display_path(path)} may not be read by this user.",
            hint="Change its permissions, or copy it to a folder of your own.",
        ) from error
    except OSError as error:
        if address := as_address(path):
            raise elsewhere(address) from error
        raise AudioReadError(
            f"{display_path(path)} cannot be read: {error.strerror or error}.",
            hint="Check the path and the disk it is on.",
        ) from error


def changed(path: Path) -> AudioReadError:
    """The error for a file that was written to, cut or replaced by somebody else meanwhile."""
    return AudioReadError(
        f"{display_path(path)} changed while it was being separated.",
        hint="Run the same command again when it is complete.",
    )


@contextmanager
def unchanged(path: Path, state: FileState) -> Iterator[Callable[[], None]]:
    """A context in which a file is read that must stay in that state; it gives a check.

    Whatever goes wrong in it goes wrong because the file has changed, if it has.

    Raises:
        AudioReadError: it has changed; also by the check.
    """

    def check() -> None:
        if not state.is_that_of(path):
            raise changed(path)

    check()
    try:
        yield check
    except Exception as error:
        if state.is_that_of(path):
            raise
        raise changed(path) from error
    check()


def _missing(path: Path) -> AudioReadError:
    if path.is_symlink():
        return AudioReadError(
            f"{display_path(path)} is a link to {display_path(path.readlink())}, which does not "
            "exist.",
            hint="Connect the disk that it is on, or remove the link.",
        )
    if address := as_address(path):
        return elsewhere(address)
    return AudioReadError(
        f"{display_path(path)} does not exist.", hint="Check the spelling and the folder."
    )


def elsewhere(address: str) -> AudioReadError:
    """What is wrong with an address where a file is expected."""
    return AudioReadError(
        f"{display_path(address)} is an address on the network (a URL), and no file.",
        hint="Download the song first, and name the file.",
    )
