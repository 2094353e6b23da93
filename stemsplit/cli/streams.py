"""stdin, stdout and stderr as the command was given them: closed, full, or without a reader.

Nothing that is printed stops the work: what a stream does not take is dropped. The last word tells
of what stdout did not take, and so does the exit code where somebody was there to read it.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_NO_READER = (errno.EBADF, errno.EPIPE)
_ERRORS = "backslashreplace"

_closed_at_start: set[int] = set()


def guard_streams() -> None:
    """Makes the streams of this process take whatever is printed, and opens those that are closed.

    To be called before anything else opens a file: it could get the number of a closed stream, and
    what is meant for a terminal would be written into a song.
    """
    _closed_at_start.update(number for number in range(3) if not _is_open(number))
    _open_null_device(_closed_at_start)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - stays open
    sys.stdout = _guarded(1, sys.stdout)
    sys.stderr = _guarded(2, sys.stderr)


def was_closed(number: int) -> bool:
    """Whether the command was started without that stream: 0 is stdin, 1 is stdout."""
    return number in _closed_at_start


def take_stdout_error() -> OSError | None:
    """Why not all that was printed has reached stdout, told once; None if all has."""
    outlet = _outlet(sys.stdout)
    if outlet is None:
        return None
    sys.stdout.flush()
    error, outlet.error = outlet.error, None
    return error


def describe_stdout_error(error: OSError) -> str:
    """What is wrong with stdout, as a clause."""
    if error.errno == errno.EBADF:
        return "stdout is closed"
    if error.errno == errno.EPIPE:
        return "whoever read stdout has stopped"
    return f"stdout could not be written ({error.strerror or error})"


def note_lost_list() -> None:
    """Says that a list of files has not reached stdout. The files are there, so nothing failed."""
    error = take_stdout_error()
    if error is not None and error.errno != errno.EPIPE:
        _say_incomplete("The list of files", error)


def finish_streams(exit_code: int) -> int:
    """The exit code of a command that has done its work with `exit_code`, after the last word.

    What nobody was there to read makes nothing fail. What somebody was to read, and could not be
    written, does.
    """
    error = take_stdout_error()
    as_json = "--json" in sys.argv
    what = "JSON" if as_json else "output"
    if error is None:
        pass
    elif error.errno not in _NO_READER:
        _say_incomplete(f"The {what}", error, fails=True)
        exit_code = exit_code or 1
    elif as_json or error.errno != errno.EPIPE:  # `stemsplit models list | head` needs no comment
        _say_incomplete(f"The {what}", error)
    sys.stderr.flush()
    return exit_code


def _say_incomplete(what: str, error: OSError, *, fails: bool = False) -> None:
    from stemsplit.cli.printer.console import ERROR, NOTE, say

    label = ERROR if fails else NOTE
    say(f"{label} {what} is incomplete: {describe_stdout_error(error)}. Nothing else is lost.")


class _Outlet(io.FileIO):
    """A descriptor that takes everything. `error`: why it has dropped something."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "wb", closefd=False)
        self.error: OSError | None = None
        self._broken = (
            OSError(errno.EBADF, os.strerror(errno.EBADF)) if was_closed(number) else None
        )

    def write(self, data: ReadableBuffer, /) -> int:
        """The number of bytes that were taken, by the system or to be dropped."""
        while self._broken is None:
            try:
                num_written = super().write(data)
            except OSError as error:
                self._broken = error
            else:
                if num_written is not None:
                    return num_written
                # Another process that has the pipe, too, does not want to wait at it. We do.
                select.select([], [self], [])
        # Also what comes when there is room again: a line with a hole in it is worse than an end.
        self.error = self._broken
        return memoryview(data).nbytes


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


def _open_null_device(numbers: AbstractSet[int]) -> None:
    """Opens it under each of the numbers, which are the lowest ones that are free."""
    for number in sorted(numbers):
        opened = os.open(os.devnull, os.O_RDWR)
        if opened == number:
            os.set_inheritable(opened, True)


def _guarded(number: int, stream: TextIO | None) -> TextIO:
    """A stream in the place of `stream`, which is None where Python found nothing to write to."""
    if os.name == "nt" and stream is not None and stream.isatty():
        return stream  # a console has calls of its own for text
    binary = io.BufferedWriter(_Outlet(number))
    if not isinstance(stream, io.TextIOWrapper):
        return io.TextIOWrapper(binary, encoding="utf-8", errors=_ERRORS, line_buffering=True)
    with suppress(OSError, ValueError):
        stream.flush()
    return io.TextIOWrapper(
        binary,
        encoding=stream.encoding,
        # A character that the stream's encoding lacks must not end the work either.
        errors=_ERRORS if stream.errors == "strict" else stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _outlet(stream: TextIO) -> _Outlet | None:
    """The outlet below a stream, None if it is not guarded."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Outlet) else None
