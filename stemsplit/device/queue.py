"""The one place where networks are called: the chunks of all tracks wait here for their device."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from torch import Tensor

from stemsplit.device.batches import BatchLimit
from stemsplit.device.call import Call
from stemsplit.device.cudnn import exact_convolutions
from stemsplit.device.fallback import CpuFallback
from stemsplit.device.transfers import choose_transfers
from stemsplit.errors import DeviceMemoryError


class DeviceQueue:
    """Runs networks on one device, one at a time, for any number of tracks at once.

    On a CPU they run in the thread that submits them. There is nothing to win by another one: its
    cores are busy anyway, and with a second team of threads, which OpenMP keeps for each thread
    that computes, all of them together are more than the cores, and it lets none of them spin any
    more: that made HTDemucs a fifth slower on two cores (measured). Other devices have a thread
    that waits for them (`threaded`), so that tracks go on meanwhile.

    As soon as the device is free it gets what waits for the same network, whichever track it is of.
    The track that came first goes first, and later ones fill up its batches: tracks are finished
    one by one, while the next ones are already decoded, and none is overtaken for ever.

    **The same input gives the same bytes.** A network may round otherwise in a batch of another
    size, so who shares a batch must not decide about its size. Its size is that of the `Call`,
    which follows from the track alone (`Runtime.call_for`). Chunks with equal calls and equal
    lengths share batches, and silence takes the place of those that are missing. What stands in the
    other rows of a batch does not matter: a model promises that they do not influence each other.
    After the device ran out of memory batches come in pieces, or chunks are computed on the CPU,
    and only then may the rounding differ.

    The thread ends with the queue, or with the program.
    """

    def __init__(
        self, device: torch.device, limit: BatchLimit, *, threaded: bool | None = None
    ) -> None:
        self.device = device
        self._threaded = device.type != "cpu" if threaded is None else threaded
        self._limit = limit
        self._transfers = choose_transfers(device)
        self._fallback = CpuFallback(device)
        self._turns = itertools.count()
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []
        self._num_threads = torch.get_num_threads()  # of who has submitted last
        self._started: deque[_Batch] = deque()
        self._in_network: _Batch | None = None
        self._executor = (
            ThreadPoolExecutor(1, thread_name_prefix=f"stemsplit-{device}")
            if self._threaded
            else None
        )
        self._running = threading.Lock()

    @property
    def num_in_flight(self) -> int:
        """Batches that a track needs on the way for the device never to wait for it.

        One is with the track, which adds it up; one is being computed; and where copies take time
        of their own, one is being copied.
        """
        return 2 + self._transfers.num_ahead if self._threaded else 1

    def next_turn(self) -> int:
        """A place in the order of tracks, behind all that were given out before."""
        return next(self._turns)

    def submit(self, call: Call, chunks: Iterable[Tensor], turn: int) -> list[Future[Tensor]]:
        """For each chunk [C, T] what will be its estimates [S, C, T], float32 on the CPU.

        The futures raise what the network raised, or `CancelledError` after `abandon`.
        """
        requests = [_Request(call, chunk, turn) for chunk in chunks]
        with self._lock:
            self._waiting += requests
            self._num_threads = torch.get_num_threads()
        if self._executor is None:
            self._run_waiting()
        else:
            self._executor.submit(self._run_waiting)
        return [request.result for request in requests]

    def abandon(self, results: Collection[Future[Tensor]] | None = None) -> None:
        """Forgets chunks (None: all). What a network is at work on, it finishes for nobody."""
        with self._lock:
            if results is None:
                in_network = self._in_network.requests if self._in_network else ()
                results = [request.result for request in (*self._waiting, *in_network)]
            for result in results:
                result.cancel()
            self._waiting = [request for request in self._waiting if not request.is_abandoned]

    def _run_waiting(self) -> None:
        """Runs what waits until nothing is left, for one thread at a time."""
        with self._running:
            while (requests := self._next_requests()) or self._started:
                if requests:
                    self._start(_Batch(requests))
                num_ahead = self._transfers.num_ahead if requests else 0
                if len(self._started) > num_ahead:
                    self._started.popleft().finish()

    def _next_requests(self) -> list[_Request]:
        """The request whose turn it is, and those that can share its batch."""
        with self._lock:
            ordered = sorted(self._waiting, key=lambda request: request.turn)  # stable
            fitting = [request for request in ordered if request.fits(ordered[0])]
            chosen = fitting[: fitting[0].call.batch_size] if fitting else []
            self._waiting = [request for request in self._waiting if request not in chosen]
        return chosen

    def _start(self, batch: _Batch) -> None:
        """Has the network called; the batch is finished later, or failed now."""
        call, chunks = batch.requests[0].call, [request.chunk for request in batch.requests]
        try:
            if torch.get_num_threads() != self._num_threads:  # each thread has a count of its own
                torch.set_num_threads(self._num_threads)
            with self._holding(batch), torch.inference_mode(), exact_convolutions(self.device):
                mixture = self._transfers.gather(chunks, call.batch_size)  # [B, C, T]
                try:
                    estimates = self._limit.call(call, mixture, self._transfers.load)
                    batch.wait_for_estimates = self._transfers.fetch(estimates)
                except DeviceMemoryError:
                    # What a network remembers of a track is on the device.
                    if self.device.type == "cpu" or call.network.spec.chunking.sequential:
                        raise
                if batch.wait_for_estimates is None:
                    computed = self._fallback(call, mixture[: len(chunks)])  # not the silence
                    batch.wait_for_estimates = lambda: computed
        except BaseException as error:  # raised again where the results are waited for
            batch.fail(error)
        else:
            self._started.append(batch)

    @contextlib.contextmanager
    def _holding(self, batch: _Batch) -> Iterator[None]:
        """A context in which the batch can be abandoned though it does not wait any more."""
        with self._lock:
            self._in_network = batch
        try:
            yield
        finally:
            with self._lock:
                self._in_network = None


@dataclass(slots=True, eq=False)
class _Request:
    """One chunk [C, T] of the track whose turn it is, and what becomes of it."""

    call: Call
    chunk: Tensor
    turn: int
    result: Future[Tensor] = field(default_factory=Future)

    @property
    def is_abandoned(self) -> bool:
        return self.result.cancelled()

    def fits(self, other: _Request) -> bool:
        """Whether both can be in one batch."""
        return self.call == other.call and self.chunk.shape == other.chunk.shape


class _Batch:
    """Requests that are run together."""

    def __init__(self, requests: Sequence[_Request]) -> None:
        self.requests = requests
        self.wait_for_estimates: Callable[[], Tensor] | None = None

    def finish(self) -> None:
        """Waits for the estimates [B, S, C, T] and hands them out."""
        assert self.wait_for_estimates is not None  # it was started
        try:
            estimates = self.wait_for_estimates()
        except BaseException as error:
            self.fail(error)
            return
        for request, estimate in zip(self.requests, estimates, strict=False):
            if request.result.set_running_or_notify_cancel():
                request.result.set_result(estimate)

    def fail(self, error: BaseException) -> None:
        for request in self.requests:
            if request.result.set_running_or_notify_cancel():
                request.result.set_exception(error)
