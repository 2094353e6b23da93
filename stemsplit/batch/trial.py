"""A file read in a process of its own, which may die of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import stemsplit
from stemsplit.device.cancel import Check, never

_PATIENCE_SECONDS = 3600
_STEP_SECONDS = 0.2
_REFUSED = 10

# Sent by people and by systems that shut down: no fault of the file's.
_FROM_OUTSIDE = ("SIGINT", "SIGTERM", "SIGHUP")
# Windows ends a process with a code like 0xC0000005 (access violation) instead of a signal.
_WINDOWS_CRASH = 0xC0000000

Verdict = Literal["readable", "refused"]


def try_reading(path: Path, check: Check = never) -> Verdict | str:
    """What came of reading the file from start to end, with its tags, as a song is read.

    "readable"; "refused" if there is an error that says why; or how the process ended: "SIGSEGV".
    What `check` raises meanwhile ends the process.
    """
    try:
        child = _start_reading(path)
    except OSError:
        return "readable"  # it cannot be tried here
    with child:
        try:
            returncode = _wait(child, check)
        except BaseException:
            child.kill()
            raise
    if returncode is None:
        return f"no end within {_PATIENCE_SECONDS} seconds"
    if returncode == _REFUSED:
        return "refused"
    return _ending(returncode) or "readable"


def _start_reading(path: Path) -> subprocess.Popen[bytes]:
    # The working directory is where modules are looked for first, and the user's may hold anything.
    # In a session of its own the child hears no Ctrl-C: it is killed on leaving.
    return subprocess.Popen(
        [sys.executable, "-m", __name__, path.absolute()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=Path(stemsplit.__file__).parents[1],
        start_new_session=True,
    )


def _wait(child: subprocess.Popen[bytes], check: Check) -> int | None:
    """The child's exit code; None if it was killed for taking too long."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(_STEP_SECONDS)
        check()
    child.kill()
    return None


def _ending(returncode: int) -> str | None:
    """The signal that ended a process; None if it was none, or none of its own."""
    if os.name == "nt":
        return f"0x{returncode:X}" if returncode >= _WINDOWS_CRASH else None
    if returncode >= 0:
        return None
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    return None if name in _FROM_OUTSIDE else name


def _read(path: Path) -> None:
    from stemsplit.audio.source import read_blocks
    from stemsplit.audio.tags.tag_reader import read_tags

    read_tags(path)
    for _ in read_blocks(path):
        pass


if __name__ == "__main__":
    try:
        _read(Path(sys.argv[1]))
    except Exception:
        sys.exit(_REFUSED)
