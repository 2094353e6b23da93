"""Work that goes on beside the networks."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from types import TracebackType

Call = Callable[[], None]


class BackgroundCalls:
    """Runs calls in another thread, one after the other, in the order in which they were made.

    At most `max_waiting` of them wait; whoever makes another one waits too, so that a slow disk
    does not fill the memory. After one has failed the rest are dropped, and its error is raised at
    the next call or at the end. Left with an error, it does not start what is still waiting.
    """

    def __init__(self, *, max_waiting: int) -> None:
        self._waiting: queue.Queue[Call | None] = queue.Queue(max_waiting)
        self._error: BaseException | None = None
        self._stopped = False
        self._thread = threading.Thread(target=self._work, name="stemsplit-background", daemon=True)

    def __enter__(self) -> BackgroundCalls:
        self._thread.start()
        return self

    def __call__(self, call: Call) -> None:
        """Has `call` run, if nothing has failed so far."""
        self._raise()
        self._waiting.put(call)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped = error is not None
        self._waiting.put(None)  # the thread takes everything until then, so there is room
        self._thread.join()
        if error is None:
            self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self) -> None:
        while (call := self._waiting.get()) is not None:
            if self._stopped or self._error is not None:
                continue
            try:
                call()
            except BaseException as error:  # raised again where the calls come from
                self._error = error
