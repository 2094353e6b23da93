"""Which true stems a model's stems are to be compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

REST = ("other", "accompaniment", "instrumental")
"""Names of the stem that has everything for which there is no stem of its own."""


@dataclass(frozen=True, slots=True)
class StemGroup:
    """True stems whose sum is compared with the sum of some estimates (none: it is not scored)."""

    sources: tuple[str, ...]
    estimates: tuple[str, ...]

    @property
    def name(self) -> str:
        """The true stem's name, or several of them with `+` between."""
        return "+".join(self.sources)


def match_stems(sources: Sequence[str], stems: Sequence[str]) -> tuple[StemGroup, ...]:
    """The groups that true `sources`, which make up the mixture, and a model's `stems` fall into.

    Stems of the same name belong together. A model with a stem for the rest is expected to have in
    it all sources for which it has no stem; and what the data set has no stem for is in its rest.
    So the guitar of a model with six stems counts as `other` in MUSDB18, and a model for vocals
    and `other` is scored on `bass+drums+other`. Without a common stem nothing can be scored.
    """
    shared = [source for source in sources if source in stems and source not in REST]
    groups = [StemGroup((source,), (source,)) for source in shared]
    left = tuple(source for source in sources if source not in shared)
    if shared and any(stem in REST for stem in stems):
        if left:
            groups.append(StemGroup(left, tuple(stem for stem in stems if stem not in shared)))
    else:
        groups += [StemGroup((source,), ()) for source in left]
    order = {source: index for index, source in enumerate(sources)}
    return tuple(sorted(groups, key=lambda group: order[group.sources[0]]))


def as_they_are(sources: Sequence[Sequence[str]]) -> tuple[StemGroup, ...]:
    """The groups for someone who makes one estimate of each of these sums of true stems."""
    return tuple(StemGroup(tuple(group), ("+".join(group),)) for group in sources)
