"""What the program does to its process, and the library to nobody's: all of it is here.

Signals, the allocator, the number of threads, the garbage collector, and how the process ends.
Being told to stop by the system is the same as by Ctrl-C: what was begun is cleaned up.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

# SIGHUP: the terminal was closed. Windows knows only SIGTERM.
_NAMES = ("SIGTERM", "SIGHUP")

# From malloc.h of glibc.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_NEVER = -1
_LARGE = 64 << 20
_LARGEST_IN_SOME_RELEASES = 32 << 20


class Stopped(KeyboardInterrupt):
    """A signal asked the program to end. The exit code is 128 + its number: 143 for SIGTERM."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Turns SIGTERM and SIGHUP into `Stopped`, unless they are ignored, as under nohup."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """A context for imports of torch and all that needs it, without the garbage collector.

    Modules stay, so nothing of them is garbage; but the collector would go through their 190,000
    objects time and again while there come to be more of them: 0.2 of 1.3 seconds. Afterwards, too,
    it leaves them alone, which is 0.14 seconds each time that it looks through everything.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def prepare_to_compute(num_threads: int | None = None) -> None:
    """Comes before networks are loaded: how memory is kept, and how many threads torch may use."""
    keep_freed_memory()
    if num_threads is not None:
        import torch

        torch.set_num_threads(num_threads)


def end(exit_code: int) -> NoReturn:
    """Ends the process now. All that is ours must be closed.

    To take torch down piece by piece takes a quarter of a second, and 100 MiB on top of the most
    memory that a song needs.
    """
    os._exit(exit_code)


def keep_freed_memory() -> None:
    """From here on, the process keeps what is freed for what comes next, but for large pieces.

    Otherwise the system takes back every tensor at once and clears each page before it gives it
    out again: a tenth of the time of a chunk, and a third of the time it takes to load HTDemucs.
    Large pieces do go back one by one, since the holes that they would leave are soon cut up by
    smaller ones. HTDemucs has none so large: to give back those from 16 MiB on made it 4 % slower.

    From here on, too, all threads share one arena, because what is said here holds for the first
    arena only, and each would keep what it has.
    """
    function = _find_mallopt()
    if function is not None:
        function(_M_ARENA_MAX, 1)
        function(_M_MMAP_THRESHOLD, _LARGE) or function(
            _M_MMAP_THRESHOLD, _LARGEST_IN_SOME_RELEASES
        )
        function(_M_TRIM_THRESHOLD, _NEVER)


@functools.cache
def _find_mallopt() -> Callable[[int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        function: Callable[[int, int], int] = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl, for one, has neither the file nor the function
        return None
    return function
