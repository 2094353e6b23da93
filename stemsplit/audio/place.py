"""Where outputs go: checked before the work, put in place after it, with errors that help."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import soundfile

from stemsplit.audio.info import display_path
from stemsplit.errors import AudioWriteError, OutputExistsError

_HINTS = {
    errno.ENOSPC: "Free some space, or write to another disk with --output.",
    errno.EDQUOT: "Your quota is used up: free some space, or write elsewhere with --output.",
    errno.EFBIG: "The disk or user limit does not allow files of this size; write elsewhere.",
    errno.ENAMETOOLONG: "Shorten the name with --template.",
    errno.ENOTDIR: "A file is where a folder is needed; choose another --output.",
}
_OTHER_HINT = "Check the folder and its permissions, or choose another --output."


def check_target(path: Path, *, overwrite: bool) -> None:
    """Finds out before any work whether the file could go there."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _write_error(path, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise OutputExistsError(
            f"{display_path(path)} is a folder, and a stem should go there.",
            hint="Move it away, or choose another --output or --template.",
        )
    if not overwrite:
        raise _exists_error(path)


def new_part(folder: Path) -> Path:
    """The path of a temporary file that nothing else uses."""
    # Random, so that runs side by side do not meet; the name says whose leftovers it is.
    return folder / f".stemsplit-{secrets.token_hex(8)}.part"


def publish(part: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        part.replace(path)
        return
    try:
        # Unlike a rename, a link never replaces a file that has appeared meanwhile.
        os.link(part, path)
    except FileExistsError as error:
        raise _exists_error(path) from error
    except OSError:
        # exFAT and some network disks have no links.
        if os.path.lexists(path):
            raise _exists_error(path) from None
        part.rename(path)
    else:
        part.unlink()


def _exists_error(path: Path) -> OutputExistsError:
    return OutputExistsError(
        f"{display_path(path)} already exists.",
        hint="Use --overwrite to replace it, or choose another --output.",
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns the errors of the operating system and of libsndfile into ours."""
    try:
        yield
    except OSError as error:
        raise _write_error(path, error) from error
    except (soundfile.SoundFileRuntimeError, AssertionError) as error:
        # soundfile asserts that all was written, and libsndfile keeps the reason to itself.
        reason = str(error).rstrip(".") or "the disk took only a part"
        raise AudioWriteError(
            f"{display_path(path)} could not be written: {reason}.",
            hint=_HINTS[errno.ENOSPC],
        ) from error


def _write_error(path: Path, error: OSError) -> AudioWriteError:
    return AudioWriteError(
        f"{display_path(path)} could not be written: {error.strerror or error}.",
        hint=_HINTS.get(error.errno or 0, _OTHER_HINT),
    )
