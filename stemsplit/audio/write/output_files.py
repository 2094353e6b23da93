"""Where outputs go: checked before the work, put in place after it, with errors that help."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import soundfile

from stemsplit.audio.file_names import display_path
from stemsplit.durable import sync_folder
from stemsplit.errors import AudioWriteError, OutputExistsError

_HINTS = {
    errno.ENOSPC: "Free some space, or write to another disk with `folder`.",
    errno.EDQUOT: "Your quota is used up: free some space, or write elsewhere with `folder`.",
    errno.EFBIG: "The disk or user limit does not allow files of this size; write elsewhere.",
    errno.ENAMETOOLONG: "Shorten the name with `template`.",
    errno.ENOTDIR: "A file is where a folder is needed; choose another `folder`.",
}
_OTHER_HINT = "Check the folder and its permissions, or choose another `folder`."


def check_target(path: Path, *, may_replace: bool) -> None:
    """Finds out before any work whether the file could go there.

    Raises:
        OutputExistsError: a folder is there, or a file that may not be replaced.
        AudioWriteError: the operating system does not allow such a file.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _write_error(path, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise OutputExistsError(
            f"{display_path(path)} is a folder, and an output should go there.",
            hint="Move it away, or choose another `folder` or `template`.",
        )
    if not may_replace:
        raise _exists_error(path)


def make_folders(folder: Path) -> list[Path]:
    """The folders that had to be made for `folder` to be there, outermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    made = []
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        sync_folder(path.parent)
        made.append(path)
    return made


def remove_folders(folders: Sequence[Path]) -> None:
    """Undoes `make_folders`, as far as the folders are still empty."""
    for folder in reversed(folders):
        # Not empty: it holds finished stems, or somebody else's files.
        with suppress(OSError):
            folder.rmdir()


def track_key(record_file: Path) -> str:
    """16 hex digits that stand for a track: its temporary files and its lock are named by them."""
    name = os.path.join(os.path.realpath(record_file.parent), record_file.name)  # noqa: PTH118
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:16]


def new_temporary(folder: Path, key: str) -> Path:
    """The path of a temporary file that nothing else uses, for the track with that key."""
    # Random, because a run that holds no lock (a demo, say) may meet another in the same folder.
    return folder / f".stemsplit-{key}-{secrets.token_hex(4)}.part"


def remove_temporaries(folders: Iterable[Path], key: str) -> int:
    """How many temporary files of a track there were, left by a run that was killed.

    Only who holds the track's lock may ask for this.
    """
    num_removed = 0
    for folder in folders:
        if not folder.is_dir():
            continue
        for entry in os.scandir(folder):
            if entry.name.startswith(f".stemsplit-{key}-") and entry.name.endswith(".part"):
                with writing(Path(entry)):
                    Path(entry).unlink(missing_ok=True)
                num_removed += 1
    return num_removed


def publish(temporary: Path, path: Path, *, may_replace: bool) -> None:
    """Gives a finished temporary file its final name, in one step.

    For a name that outlasts a power cut, sync the file before and the folder afterwards.

    Raises:
        OutputExistsError: a file has appeared there, and it may not be replaced.
        OSError: the operating system did not do it.
    """
    if may_replace:
        temporary.replace(path)
        return
    try:
        # Unlike a rename, a link never replaces a file that has appeared meanwhile.
        os.link(temporary, path)
    except FileExistsError as error:
        raise _exists_error(path) from error
    except OSError:
        # exFAT and some network disks have no links.
        if os.path.lexists(path):
            raise _exists_error(path) from None
        temporary.rename(path)
    else:
        temporary.unlink()


def _exists_error(path: Path) -> OutputExistsError:
    return OutputExistsError(
        f"{display_path(path)} already exists.",
        hint="Use `overwrite` to replace it, or choose another `folder`.",
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
