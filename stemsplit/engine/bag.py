"""A loaded checkpoint: one network, or several with a weight per stem."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from stemsplit.audio.channels import ChannelGrouping, group_channels
from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.engine.options import SeparationOptions
from stemsplit.models.spec import InputScaling, Model

_ENDLESS_SAMPLES = 1 << 40


@dataclass(frozen=True, kw_only=True, slots=True)
class BagMember:
    """One network of a bag, with the file that it came from.

    `weights`: for each of the bag's `network_stems`; 0 for those that the network has not.
    """

    model: Model
    weights: tuple[float, ...]
    signature: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Mixer:
    """`mix` makes the final stems [S, C, T] from all networks' and the mixture [C, T]."""

    mix: Callable[[Tensor, Tensor], Tensor]
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Bag:
    """What the engine runs. Members share stems, sample rate, channels and input scaling.

    Where each of them has some of the stems only, `joined_stems` are those of all. Members whose
    weights are zero for every wanted stem were never loaded, so a bag may know only a part of
    `stems`. `origin` and `revision` say where the files came from, for the record.
    `segment_seconds`, `overlap`, `own_scaling`: where the networks' own are not what is wanted.
    `mixer`: what all stems go through together.
    """

    name: str
    origin: str
    revision: str | None
    licence: str
    members: tuple[BagMember, ...]
    joined_stems: tuple[str, ...] | None = None
    segment_seconds: float | None = None
    overlap: float | None = None
    own_scaling: InputScaling | None = None
    mixer: Mixer | None = None
    precision: str = "fp32"
    """The coarsest that any of the members computes in, for the record."""

    @property
    def family(self) -> str:
        return self.members[0].model.spec.family

    @property
    def stems(self) -> tuple[str, ...]:
        """What can be asked for: the networks' stems, and the residual one if there is one."""
        return self.joined_stems or self.members[0].model.spec.offered_stems

    @property
    def network_stems(self) -> tuple[str, ...]:
        return self.joined_stems or self.members[0].model.spec.stems

    def stems_to_run(self, wanted: Sequence[str]) -> tuple[str, ...]:
        """The networks' stems that `wanted` ones are made of.

        These are all of them for the residual one, where a mixer needs all, and where nobody knows
        which is which.
        """
        if self.mixer is not None or not self.ordered or not set(wanted) <= set(self.network_stems):
            return self.network_stems
        return tuple(wanted)

    @property
    def sample_rate(self) -> int:
        return self.members[0].model.spec.sample_rate

    @property
    def num_channels(self) -> int:
        return self.members[0].model.spec.num_channels

    @property
    def ordered(self) -> bool:
        """Whether its networks' outputs keep their order (`ModelSpec.ordered`)."""
        return self.members[0].model.spec.ordered

    def grouping(self, channels: Sequence[str]) -> ChannelGrouping:
        """Which channels of a song go through the networks together.

        Those without an order would have one for each group, so they hear all channels at once.
        """
        grouping = group_channels(channels, self.num_channels)
        if self.ordered:
            return grouping
        everything = tuple(sorted(itertools.chain.from_iterable(grouping.groups)))
        return ChannelGrouping(groups=(everything,), low=grouping.low)

    @property
    def scaling(self) -> InputScaling | None:
        return self.own_scaling or self.members[0].model.spec.scaling

    def policy(self, model: Model, options: SeparationOptions) -> ChunkPolicy:
        """How `model` cuts the mixture, after what the bag and the user say about it."""
        seconds = self._segment_seconds(options)
        return model.spec.chunking.resized(
            chunk_samples=None if seconds is None else _whole_samples(seconds * self.sample_rate),
            overlap=self.overlap if options.overlap is None else options.overlap,
        )

    def notes(self, options: SeparationOptions) -> list[str]:
        """What the user should know about how `options` were understood."""
        seconds = options.segment_seconds
        if not all(member.model.spec.chunking.is_resizable for member in self.members):
            given = {"segment": seconds, "overlap": options.overlap}
            names = " and ".join(f"`{name}`" for name, value in given.items() if value is not None)
            of_its_own = "the network has blocks of its own"
            return [f"{names} change nothing for {self.name}: {of_its_own}."] if names else []
        if seconds is None:
            return []
        longest = (
            min(self.policy(member.model, options).chunk_samples for member in self.members)
            / self.sample_rate
        )
        if longest >= seconds - 1 / self.sample_rate:
            return []
        return [f"`segment={seconds:g}` is longer than {self.name} allows: {longest:g} s is used."]

    def _segment_seconds(self, options: SeparationOptions) -> float | None:
        return self.segment_seconds if options.segment_seconds is None else options.segment_seconds


def _whole_samples(num_samples: float) -> int:
    """As an integer, which infinity is not; above all that a song could have it does not matter."""
    return int(min(num_samples, _ENDLESS_SAMPLES))


def differing_property(models: Sequence[Model], *, joined: bool = False) -> str | None:
    """The first property in which the models of a bag differ, None if they agree.

    `joined`: each has stems of its own.
    """
    properties = [*([] if joined else ["stems", "residual_stem"])]
    properties += ["sample_rate", "num_channels", "scaling", "ordered"]
    first = models[0].spec
    for other in (model.spec for model in models[1:]):
        for name in properties:
            if getattr(first, name) != getattr(other, name):
                return name
    return None
