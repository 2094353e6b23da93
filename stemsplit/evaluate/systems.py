"""What takes part in an evaluation: models, oracles above them and the mixture below."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from stemsplit.device.runtime import Runtime
from stemsplit.engine.bag import Bag
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.scan import scan
from stemsplit.engine.separate import separate_blocks
from stemsplit.errors import UsageError
from stemsplit.evaluate.dataset import TrackAudio
from stemsplit.evaluate.oracles import ORACLES, separate_with
from stemsplit.version import __version__

MIXTURE = "mixture"

OUR_REVISION = f"stemsplit {__version__}"
"""Of what has no files: it changes with the program."""

ShareCallback = Callable[[float], None]


class System(Protocol):
    """Separates tracks. `stems` None: it has whatever stems the track has.

    `key` is its name, its revision and its precision, as records have them. `ordered`: it knows
    which stem is which; else its outputs are scored in the order that fits the track best.
    """

    @property
    def key(self) -> tuple[str, str, str]: ...

    @property
    def stems(self) -> tuple[str, ...] | None: ...

    @property
    def ordered(self) -> bool: ...

    def estimate(self, audio: TrackAudio, on_progress: ShareCallback) -> Mapping[str, Tensor]:
        """Estimates [C, T] by stem, as long as the track and at its rate."""


class MixtureSystem:
    """The lower bound: the mixture as the estimate of every stem."""

    key = (MIXTURE, OUR_REVISION, "fp32")
    stems = None
    ordered = True

    def estimate(self, audio: TrackAudio, on_progress: ShareCallback) -> Mapping[str, Tensor]:
        on_progress(1.0)
        return dict.fromkeys(audio.stems, audio.mixture)


class OracleSystem:
    """An upper bound, made with the true sources."""

    stems = None
    ordered = True

    def __init__(self, name: str) -> None:
        self._oracle = ORACLES[name]
        self.key = (name, OUR_REVISION, "fp32")

    def estimate(self, audio: TrackAudio, on_progress: ShareCallback) -> Mapping[str, Tensor]:
        if len(audio.mixture) > 2:
            raise UsageError(f"Oracles take mono or stereo, got {len(audio.mixture)} channels.")
        estimates = separate_with(self._oracle, audio.mixture, audio.sources)  # [S, C, T]
        on_progress(1.0)
        return dict(zip(audio.stems, estimates, strict=True))


class ModelSystem:
    """A model as `separate` runs it, without random shifts."""

    def __init__(self, model: Ensemble, runtime: Runtime) -> None:
        self._model = model
        self._runtime = runtime
        self.stems: tuple[str, ...] = model.stems
        self.ordered = all(bag.ordered for bag in model.bags)
        self.key = (model.name, revision_of(model), model.precision)

    def estimate(self, audio: TrackAudio, on_progress: ShareCallback) -> Mapping[str, Tensor]:
        mixture = Mixture.from_array(audio.mixture, audio.sample_rate)
        plan = scan(mixture, self._model, SeparationOptions())
        estimates = torch.zeros(len(plan.outputs), *audio.mixture.shape)  # [S, C, T]
        for block in separate_blocks(
            plan, self._runtime, on_progress=lambda progress: on_progress(progress.share)
        ):
            estimates[..., block.start : block.stop] = block.stems
        return dict(zip(plan.names, estimates, strict=True))


def revision_of(model: Ensemble) -> str:
    """The commit on the Hub, or 12 digits of a sha256 for local files, or the program's version.

    Of an ensemble, those of its parts.
    """
    return "+".join(map(_revision, model.bags))


def _revision(bag: Bag) -> str:
    if bag.revision is not None:
        return bag.revision
    digests: Sequence[str] = [member.sha256 for member in bag.members if member.sha256]
    if not digests:
        return OUR_REVISION
    return "sha256:" + hashlib.sha256("".join(digests).encode()).hexdigest()[:12]
