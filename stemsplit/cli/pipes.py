"""`-` as an input and as the output: the song comes from stdin, the stem goes to stdout."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from stemsplit.cli.printer.console import STDIN_FOLDER
from stemsplit.cli.streams import describe_stdout_error, take_stdout_error, was_closed
from stemsplit.errors import AudioWriteError, UsageError

if TYPE_CHECKING:
    from stemsplit.batch.results import JobResult

STREAM = Path("-")


def is_stdout(output: Path, *, prints: bool) -> bool:
    """Whether the output is stdout. `prints`: something else was to be printed there.

    Raises:
        UsageError: it is, and it cannot take a stem.
    """
    if output != STREAM:
        return False
    if prints:
        raise UsageError(
            "With -o - the stem goes to stdout, where --json and --dry-run print.",
            hint="Write to a folder with -o DIR.",
        )
    if unfit := _unfit(1, sys.stdout):
        raise UsageError(
            f"With -o - the stem goes to stdout, and that is {unfit}.",
            hint="Send it on with | or >, or write to a folder with -o DIR.",
        )
    return True


@contextmanager
def connected(inputs: Sequence[Path], output: Path) -> Iterator[tuple[list[Path], Path]]:
    """The inputs and the output folder, with files in the place of `-` while the context lasts.

    Raises:
        UsageError: stdin is a terminal.
        AudioWriteError: what comes from stdin could not be put on the disk.
    """
    with ExitStack() as stack:
        if output == STREAM:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="stemsplit-"))
            output = Path(folder)
        if STREAM in inputs:
            song = stack.enter_context(_stdin_as_file(output))
            inputs = [song if path == STREAM else path for path in inputs]
        yield list(inputs), output


def check_single(names: Sequence[str]) -> None:
    """Raises UsageError unless this is the name of one output."""
    if len(names) != 1:
        raise UsageError(
            f"With -o - there must be one song and one output, not {len(names)}: "
            f"{', '.join(names)}.",
            hint="Choose one, with --stems vocals for example.",
        )


def deliver(results: Sequence[JobResult]) -> None:
    """Copies the outputs to stdout.

    Raises:
        AudioWriteError: it takes no more.
    """
    for path in (path for result in results for path in result.outputs.values()):
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        if error := take_stdout_error():
            raise AudioWriteError(
                f"The stem is lost: {describe_stdout_error(error)}.",
                hint="Check where it leads to.",
            ) from error


def _unfit(number: int, stream: TextIO) -> str:
    """What a standard stream is, if no song goes through it."""
    return "closed" if was_closed(number) else "a terminal" if stream.isatty() else ""


@contextmanager
def _stdin_as_file(folder: Path) -> Iterator[Path]:
    """A file named `stdin` below `folder`, because two passes need the song twice.

    It lies below a hidden folder of its own, with a lock by which the next run knows a folder whose
    owner was killed; in another folder of its own name, by which it is told from other songs.
    """
    from filelock import FileLock

    from stemsplit.audio.write.output_files import make_folders, remove_folders, writing

    if unfit := _unfit(0, sys.stdin):
        raise UsageError(
            f"- reads a song from stdin, and that is {unfit}.",
            hint="Send one with | or <.",
        )
    spool = folder / f"{STDIN_FOLDER}{secrets.token_hex(8)}"
    song = spool / "stdin" / "stdin"
    with writing(song):
        made_folders = make_folders(folder)
        _remove_orphans(folder)
        song.parent.mkdir(parents=True)
        lock = FileLock(spool / "lock", timeout=0)
        lock.acquire()
    try:
        with writing(song), song.open("xb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield song
    finally:
        lock.release()
        shutil.rmtree(spool, ignore_errors=True)
        remove_folders(made_folders)


def _remove_orphans(folder: Path) -> None:
    from filelock import FileLock, Timeout

    for spool in folder.glob(f"{STDIN_FOLDER}*"):
        with suppress(Timeout, OSError), FileLock(spool / "lock", timeout=0):
            shutil.rmtree(spool, ignore_errors=True)
