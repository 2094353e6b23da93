"""What every model says about itself, and how it is called: all that the engine may know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from stemsplit.dsp.chunking import ChunkPolicy

MUSDB18_STEMS = ("drums", "bass", "other", "vocals")
"""The order of the outputs of networks whose files do not name them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InputScaling:
    """How a track is scaled before it is cut into chunks: (mixture - mean) / (level + floor).

    Estimates are scaled back. The defaults bring the track's mono mix to mean 0 and deviation 1. A
    track whose level and floor are both 0 stays as it is.
    """

    level: Literal["deviation", "peak"] = "deviation"
    """The standard deviation, or the highest sample of any channel."""
    target: float = 1.0
    """What the level is brought to."""

    statistics: Literal["mono", "samples"] = "mono"
    """What mean and standard deviation are of: the mean of the channels, or all their samples."""
    centred: bool = True
    """Whether the mean is subtracted."""
    floor: float = 1e-8
    """Keeps a silent track finite; a larger one leaves very quiet tracks quiet."""
    floor_returns: bool = True
    """Whether estimates are multiplied by level + floor, or by the level alone."""

    def measured(self, block: Tensor) -> Tensor:
        """Of a block [C, T], what the statistics are to be taken of, as a mono mix [C', T']."""
        return block.reshape(1, -1) if self.statistics == "samples" else block


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A model's own account of how it wants to be run."""

    family: str
    stems: tuple[str, ...]
    """What it returns, in this order."""
    sample_rate: int
    num_channels: int
    chunking: ChunkPolicy
    scaling: InputScaling | None
    """None: the mixture goes in as it is."""
    paper: str
    residual_stem: str | None = None
    """The name of what its stems leave over, where that is a stem worth having: the mixture minus
    all of them is what a network for vocals alone has to say about the instruments."""
    ordered: bool = True
    """Whether a stem comes out at the same place for each chunk. Of speakers who are told apart by
    nothing but that they are two, any may come first: then the overlap-add puts them in order, all
    of them are run, and the mean of a track's channels is heard."""
    needs_reference: bool = False
    """Whether it has to hear a reference of the wanted voice first: it is an `Extractor`."""
    revision: int = 1
    """Of a model without files: counted up when it sounds different. It redoes finished songs."""

    @property
    def offered_stems(self) -> tuple[str, ...]:
        """Its stems, and the residual one if there is one."""
        return self.stems if self.residual_stem is None else (*self.stems, self.residual_stem)


def counterpart_of(stem: str) -> str | None:
    """What a song without this stem is called, where that has a name."""
    return {"vocals": "instrumental", "instrumental": "vocals"}.get(stem)


class Model(Protocol):
    """Anything that splits a mixture: a network with weights, or plain signal processing.

    Called with a mixture [B, C, T] (float32, at `spec.sample_rate`, scaled by `spec.scaling`,
    T a length that `spec.chunking.fitted_length` gives), it returns the estimates [B, S, C, T] in
    the order of `spec.stems`. It keeps no state between calls, and items of a batch do not
    influence each other.
    """

    @property
    def spec(self) -> ModelSpec: ...

    def __call__(self, mixture: Tensor) -> Tensor: ...


class StreamingModel(Model, Protocol):
    """A model with a memory, whose `spec.chunking` is sequential.

    Called itself, it hears a track's only chunk.
    """

    def stream(self, num_samples: int) -> Model:
        """The same for one track of `num_samples`.

        Called with its chunks in order, it remembers what was before.
        """
        ...


class Extractor(Protocol):
    """A network that finds one voice in a mixture, once it has heard a reference of it.

    Its `spec` has `needs_reference`. Called without an enrolment it raises a ValueError.
    """

    @property
    def spec(self) -> ModelSpec: ...

    def enrol(self, reference: Tensor) -> Model:
        """The model, a `torch.nn.Module`, that finds the voice of `reference` [C, T].

        The reference is float32 at `spec.sample_rate`, full scale ±1, with any number of channels.
        The model shares this one's weights and holds what it heard of the voice.
        """
        ...
