"""What the process does with memory that was freed. Only glibc can be told so."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable

# From malloc.h of glibc.
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_NEVER = -1
_DEFAULT_MMAP_THRESHOLD = 128 << 10
_LARGE = 64 << 20


def give_back_freed_memory() -> None:
    """From here on, each large tensor is its own piece of memory and goes back to the system alone.

    Right while networks are loaded: their weights exist twice for a moment, and what is left
    between those that stay would be too small for the tensors to come.

    From here on, too, all threads share one arena: what `keep_freed_memory` says holds only for the
    first one, and networks are run in threads of their own (`engine.device_queue`).
    """
    _mallopt(_M_ARENA_MAX, 1)
    _mallopt(_M_MMAP_THRESHOLD, _DEFAULT_MMAP_THRESHOLD)


def keep_freed_memory() -> None:
    """From here on, the process keeps what is freed for the next chunk, but for the largest pieces.

    Otherwise the system takes back every large tensor at once and clears each page before it gives
    it out again: a tenth of the time of a chunk. Networks with chunks of 44 s have tensors of
    hundreds of megabytes, and to keep these would make the process a third larger.
    """
    _mallopt(_M_MMAP_THRESHOLD, _LARGE)
    _mallopt(_M_TRIM_THRESHOLD, _NEVER)


def _mallopt(parameter: int, value: int) -> None:
    function = _find_mallopt()
    if function is not None:
        function(parameter, value)


@functools.cache
def _find_mallopt() -> Callable[[int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        function: Callable[[int, int], int] = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # musl, for one, has neither the file nor the function
        return None
    return function
