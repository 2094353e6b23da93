"""Several tracks at once, in threads of which only the one that listens has to know."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Protocol

from stemsplit.device.cancel import Cancellation, Cancelled


class Notify(Protocol):
    def __call__(self, listener: Callable[..., object], *arguments: object) -> None:
        """Has `listener` called with the arguments in the thread that goes through the workers.

        Raises:
            Cancelled: that thread has left.
        """


Worker = Callable[[Notify, Cancellation], None]


class Workers:
    """Threads that work side by side, each on a call of its own.

    A worker is given a `Notify`, and the flag that its loops look at. Going through them makes the
    calls that they were notified of, one after the other as they happened, and ends with the last
    worker; what a worker raises is raised there. Left before that, all are cancelled, with `wake`
    for those that wait for something, and no thread is left behind: each ends with the block, the
    chunk or the file that it is at.
    """

    def __init__(self, workers: Sequence[Worker], *, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._cancellation = Cancellation()
        self._told: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, args=(worker,), name="stemsplit-track", daemon=True)
            for worker in workers
        ]

    def __enter__(self) -> Workers:
        for thread in self._threads:
            thread.start()
        return self

    def __iter__(self) -> Iterator[None]:
        """Yields after each call that was made."""
        num_working = len(self._threads)
        while num_working:
            call = self._told.get()
            if call is None:
                num_working -= 1
            else:
                call()
                yield

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if any(thread.is_alive() for thread in self._threads):
            self._cancellation.cancel()
            self._wake()
        for thread in self._threads:
            thread.join()

    def _tell(self, listener: Callable[..., object], *arguments: object) -> None:
        self._cancellation.check()
        self._told.put(partial(listener, *arguments))

    def _work(self, worker: Worker) -> None:
        try:
            worker(self._tell, self._cancellation)
        except Cancelled:
            return
        except BaseException as error:
            self._told.put(partial(_raise, error))
        self._told.put(None)


def _raise(error: BaseException) -> None:
    raise error
