"""What the engine runs for a track: stems that come from one ensemble, or from several.

One model is a blend with a single part. With several, each stem is a weighted mean of what the
parts say about it, and a part has a say in some stems or in all: the vocals of one model and the
rest of another, or the average of two (as KUIELab-MDX-Net blends its networks with Demucs: Kim et
al. 2021, arXiv:2111.12203). The parts have sample rates, channels and chunks of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stemsplit.engine.ensemble import Ensemble, EnsembleMember
from stemsplit.engine.options import SeparationOptions

_PRECISIONS = ("fp32", "fp16", "bf16")  # from the finest to the coarsest


def coarsest(precisions: Iterable[str]) -> str:
    """The one with the fewest bits."""
    return max(precisions, key=_PRECISIONS.index)


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """An ensemble, and its share of each stem that it has a say in."""

    ensemble: Ensemble
    shares: Mapping[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Blend:
    """`name` is safe as the name of a folder. Over all parts the shares of a stem sum to one.

    Parts without a share of any wanted stem were never loaded, so the parts may know only some of
    the `stems`.
    """

    name: str
    stems: tuple[str, ...]
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, ensemble: Ensemble) -> Blend:
        """The blend that is this ensemble."""
        part = Part(ensemble=ensemble, shares=dict.fromkeys(ensemble.stems, 1.0))
        return cls(name=ensemble.name, stems=ensemble.stems, parts=(part,))

    @property
    def ensembles(self) -> tuple[Ensemble, ...]:
        return tuple(part.ensemble for part in self.parts)

    @property
    def members(self) -> tuple[EnsembleMember, ...]:
        """All networks."""
        return tuple(member for ensemble in self.ensembles for member in ensemble.members)

    @property
    def precision(self) -> str:
        """The coarsest that any of the networks computes in, for the record."""
        return coarsest(ensemble.precision for ensemble in self.ensembles)

    @property
    def sample_rate(self) -> int:
        """The highest of the ensembles'."""
        return max(ensemble.sample_rate for ensemble in self.ensembles)

    def hop_seconds(self, options: SeparationOptions) -> float:
        """How far the longest of the networks' chunks takes the music forward."""
        return max(
            ensemble.policy(member.model, options).hop_samples / ensemble.sample_rate
            for ensemble in self.ensembles
            for member in ensemble.members
        )

    def notes(self, options: SeparationOptions) -> list[str]:
        """What the user should know about how `options` were understood."""
        return [note for ensemble in self.ensembles for note in ensemble.notes(options)]
