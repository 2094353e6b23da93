"""What the engine runs for a track: stems that come from one bag, or from several.

One model is an ensemble with a single part. With several, each stem is a weighted mean of what the
parts say about it, and a part has a say in some stems or in all: the vocals of one model and the
rest of another, or the average of two (as KUIELab-MDX-Net blends its networks with Demucs: Kim et
al. 2021, arXiv:2111.12203). The parts have sample rates, channels and chunks of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stemsplit.engine.bag import Bag, BagMember
from stemsplit.engine.options import SeparationOptions

_PRECISIONS = ("fp32", "fp16", "bf16")  # from the finest to the coarsest


def coarsest(precisions: Iterable[str]) -> str:
    """The one with the fewest bits."""
    return max(precisions, key=_PRECISIONS.index)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnsemblePart:
    """A bag, and its share of each stem that it has a say in.

    `hears`: the stem of the ensemble's first bag that it takes apart, as a song of its own; None:
    the mixture.
    """

    bag: Bag
    weights: Mapping[str, float]
    hears: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ensemble:
    """`name` is safe as the name of a folder. Over all parts the weights of a stem sum to one.

    Parts without a share of any wanted stem were never loaded, so the parts may know only some of
    the `stems`.
    """

    name: str
    stems: tuple[str, ...]
    parts: tuple[EnsemblePart, ...]
    doubts: tuple[str, ...] = ()
    """What may be wrong with the reference that they have heard."""

    def __post_init__(self) -> None:
        for part in self.parts:
            if part.hears is not None:
                _check_hearing(part.bag, self.parts[0].bag, part.hears)

    @classmethod
    def of(cls, bag: Bag) -> Ensemble:
        """The ensemble that is this bag."""
        part = EnsemblePart(bag=bag, weights=dict.fromkeys(bag.stems, 1.0))
        return cls(name=bag.name, stems=bag.stems, parts=(part,))

    @property
    def bags(self) -> tuple[Bag, ...]:
        return tuple(part.bag for part in self.parts)

    @property
    def members(self) -> tuple[BagMember, ...]:
        """All networks."""
        return tuple(member for bag in self.bags for member in bag.members)

    @property
    def precision(self) -> str:
        """The coarsest that any of the networks computes in, for the record."""
        return coarsest(bag.precision for bag in self.bags)

    @property
    def sample_rate(self) -> int:
        """The highest of the bags'."""
        return max(bag.sample_rate for bag in self.bags)

    def hop_seconds(self, options: SeparationOptions) -> float:
        """How far the longest of the networks' chunks takes the music forward."""
        return max(
            bag.policy(member.model, options).hop_samples / bag.sample_rate
            for bag in self.bags
            for member in bag.members
        )

    def notes(self, options: SeparationOptions) -> list[str]:
        """What the user should know about the models, and how `options` were understood."""
        return [*self.doubts, *(note for bag in self.bags for note in bag.notes(options))]


def _check_hearing(bag: Bag, heard: Bag, stem: str) -> None:
    """Raises ValueError for a bag that cannot hear a stem of another in place of a mixture.

    What it hears is not known before the other has run, so it can have no statistics.
    """
    same = (bag.sample_rate, bag.num_channels) == (heard.sample_rate, heard.num_channels)
    if not same or bag.scaling is not None or stem not in heard.network_stems:
        raise ValueError(f"{bag.name} cannot hear {stem} of {heard.name}")
    if bag.mixer is not None or bag.stems != bag.network_stems:
        raise ValueError(f"{bag.name} needs the mixture itself, not {stem} of {heard.name}")
