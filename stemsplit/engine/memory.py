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
_LARGE = 64 << 20
_LARGEST_IN_SOME_RELEASES = 32 << 20


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
