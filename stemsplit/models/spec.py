"""What every model says about itself, and how it is called: all that the engine may know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from stemsplit.dsp.chunking import ChunkPolicy

InputScaling = Literal["none", "track", "samples"]
"""How the mixture is scaled before it is cut into chunks.

`track`: minus the mean and divided by the standard deviation (plus 1e-8) of the whole track's mono
mix, and back after the model. `samples`: the same, measured over the samples of all its channels.
`none`: as it is.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSpec:
    """A model's own account of how it wants to be run."""

    family: str
    stems: tuple[str, ...]
    """What it returns, in this order."""
    sample_rate: int
    num_channels: int
    chunking: ChunkPolicy
    scaling: InputScaling
    paper: str
    residual_stem: str | None = None
    """The name of what its stems leave over, where that is a stem worth having: the mixture minus
    all of them is what a network for vocals alone has to say about the instruments."""
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

    Called with a mixture [B, C, T] (float32, at `spec.sample_rate`, scaled as `spec.scaling` says,
    T a length that `spec.chunking.fitted_length` gives), it returns the estimates [B, S, C, T] in
    the order of `spec.stems`. It keeps no state between calls, and items of a batch do not
    influence each other.
    """

    @property
    def spec(self) -> ModelSpec: ...

    def __call__(self, mixture: Tensor) -> Tensor: ...
