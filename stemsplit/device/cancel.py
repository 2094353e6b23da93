"""How one thread asks another to stop: a flag, which every loop over a song looks at."""

from __future__ import annotations

import threading
from collections.abc import Callable

Check = Callable[[], None]
"""Called for every block and chunk of a song: raises `Cancelled` if nobody wants it any more."""


class Cancelled(BaseException):
    """The work is not wanted any more: what Ctrl-C is to the main thread, to all others."""


class Cancellation:
    """A flag that is set once, for all threads that look at it."""

    def __init__(self) -> None:
        self._flag = threading.Event()

    def cancel(self) -> None:
        """Has every `check` from now on raise."""
        self._flag.set()

    def check(self) -> None:
        """Goes on, or stops here.

        Raises:
            Cancelled: `cancel` was called.
        """
        if self._flag.is_set():
            raise Cancelled


def never() -> None:
    """The check of work that only an exception in its own thread stops."""
