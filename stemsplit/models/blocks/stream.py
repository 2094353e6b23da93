"""Networks with a memory, on their way through a track."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.models.spec import ModelSpec

State = TypeVar("State")


class StreamingNetwork(Protocol[State]):
    """A network that says of each piece of a track what it can say by then.

    Its `spec.chunking` is sequential, with a look-ahead of `context_samples`.
    """

    @property
    def spec(self) -> ModelSpec: ...

    def start(self, mixture: Tensor, num_samples: int) -> State:
        """The memory before the first sample of a track of `num_samples` like `mixture` [B, C, T].

        What is heard after them is silence.
        """
        ...

    def advance(self, mixture: Tensor, state: State) -> tuple[Tensor, State]:
        """Estimates [B, S, C, T'] and the memory after the next samples [B, C, T] of a track.

        The estimates begin where those of the call before ended, and end `context_samples` before
        the end of what was heard: T' is T, but for the first call, which hears as many more. The
        state that came in stays as it is.
        """
        ...


class Stream(Generic[State]):
    """A network on its way through one track: a `Model`, called with the track's chunks in order.

    A chunk comes with `context_samples` on both sides, so most of what is read was heard before.
    """

    def __init__(self, network: StreamingNetwork[State], num_samples: int | None = None) -> None:
        """`num_samples`: the track's; None: those of the first chunk, which is its only one."""
        self.spec = network.spec
        self._network = network
        self._num_samples = num_samples
        self._state: State | None = None

    def __call__(self, mixture: Tensor) -> Tensor:
        """The estimates [B, S, C, T] of the chunk in the middle of the mixture [B, C, T].

        Around it they are zeros, which nobody reads.
        """
        context = self.spec.chunking.context_samples
        if self._state is None:  # what comes before a track's first sample is not heard
            fresh = mixture[..., context:]
            num_samples = self._num_samples or fresh.shape[-1] - context
            state = self._network.start(mixture, num_samples)
        else:
            fresh, state = mixture[..., 2 * context :], self._state
        estimates, self._state = self._network.advance(fresh, state)
        return F.pad(estimates, (context, context))


class StreamingModule(nn.Module, Generic[State]):
    """What a `StreamingNetwork` that is a module is as a `StreamingModel`."""

    spec: ModelSpec

    def forward(self, mixture: Tensor) -> Tensor:
        """Estimates [B, S, C, T] of a track's only chunk [B, C, T]."""
        return Stream(self)(mixture)

    def stream(self, num_samples: int) -> Stream[State]:
        """The network on its way through a track of so many samples."""
        return Stream(self, num_samples)

    def start(self, mixture: Tensor, num_samples: int) -> State:
        """See `StreamingNetwork`."""
        raise NotImplementedError

    def advance(self, mixture: Tensor, state: State) -> tuple[Tensor, State]:
        """See `StreamingNetwork`."""
        raise NotImplementedError
