"""Which model of the catalogue to run for someone who says how good, and not which one.

Published figures are compared only where they were measured in the same way: one measurement is
chosen, the first of the catalogue's protocols in which any of the models in question has a figure
for every wanted stem, and its figures alone decide. A model without one comes after all that have
one, whatever it may have elsewhere; MUSDB18 says nothing about a model that was trained on its test
songs. If no model has a figure, the order of the catalogue decides.

What a model costs are multiplications and additions for a second of music. Two cores with AVX-512
get through 200 to 270 * 10^9 of them in a second with htdemucs (4.7 times as fast as the music
plays, measured), PyTorch as it comes through 95 to 150 with RoFormers and SCNet. So:

* `fast` on a CPU is the best of those that cost 60 * 10^9 or less, which such a machine does in a
  quarter of the time that the music lasts, and a slower one in hardly more than that time;
* `balanced` on a CPU is the best up to 250 * 10^9: one to three times the music's time;
* on a GPU both may cost twenty times as much. That is reasoned from peak rates, and not measured;
* `best` is the best, and takes the time that it takes.

Not chosen are `unverified` models, those that are fetched `by_hand`, those that take stems of other
models apart (they have `child_names`), and what is built in, which needs nobody to choose it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from stemsplit.errors import UnknownModelError, UnknownStemError
from stemsplit.hub.catalog import CatalogEntry, PublishedScore

Quality = Literal["fast", "balanced", "best"]

PERMISSIVE: tuple[str, ...] = ("permissive-confirmed", "stated-permissive")
"""The labels of licences that allow any use."""

_CPU_LIMITS = {"fast": 60.0, "balanced": 250.0, "best": math.inf}
_GPU_FACTOR = 20

# Weights are read from the file and turned into float32, which doubles those that are kept in
# half precision; 1 GiB is what the layers of most networks need for their chunks.
_COPIES_IN_MEMORY = 3
_WORKING_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Requirements:
    """What is wanted of a model.

    `device` is torch's word for a kind of device. `memory_bytes` None: not known, so whatever is
    wanted fits. `here` None: models may be downloaded; else only those of these names are chosen,
    if one of them will do.
    """

    quality: Quality
    stems: tuple[str, ...]
    device: str
    memory_bytes: int | None = None
    permissive: bool = False
    here: Collection[str] | None = None

    @property
    def limit(self) -> float:
        """10^9 operations for a second of music that a model may cost."""
        return _CPU_LIMITS[self.quality] * (1 if self.device == "cpu" else _GPU_FACTOR)


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model and, in one line, why it was chosen.

    `instead`: the one on this machine that would have been, if the model should not be to be had.
    """

    model: str
    reason: str
    instead: str | None = None


def choose(wanted: Requirements, entries: Iterable[CatalogEntry]) -> ModelChoice:
    """The model that comes closest to the wanted.

    Where all cost more than the limit, it is the one that costs least. Of equally good ones it is
    the cheaper, then the one that the catalogue has first.

    Raises:
        UnknownStemError: no model has all of these stems.
        UnknownModelError: those that have them are not permissive, or too large for the memory.
    """
    able = _able(wanted, entries)
    nearby = [entry for entry in able if wanted.here is not None and entry.name in wanted.here]
    candidates = nearby or able
    bearable = [entry for entry in candidates if cost(entry, wanted.stems) <= wanted.limit]
    if not bearable:
        bearable = [min(candidates, key=lambda entry: cost(entry, wanted.stems))]
    measurement = _common_measurement(candidates, wanted.stems)

    def rank(entry: CatalogEntry) -> tuple[float, float]:
        if measurement is None:
            return 0.0, 0.0
        figure = _figures(entry, wanted.stems).get(measurement, -math.inf)
        return -figure, cost(entry, wanted.stems)

    best = min(bearable, key=rank)
    return ModelChoice(best.name, _reason(best, wanted, measurement, num_others=len(bearable) - 1))


def cost(entry: CatalogEntry, stems: Collection[str]) -> float:
    """10^9 operations for a second of music if only these stems are wanted; infinite if unknown."""
    if entry.giga_operations is None:
        return math.inf
    share = len(set(stems)) / len(entry.stems) if entry.one_network_per_stem else 1.0
    return entry.giga_operations * share


def _able(wanted: Requirements, entries: Iterable[CatalogEntry]) -> list[CatalogEntry]:
    having = [
        entry
        for entry in entries
        if not entry.is_built_in
        and not entry.unverified
        and not entry.by_hand
        and not entry.child_names
        and _has(entry, wanted.stems)
    ]
    named = ", ".join(wanted.stems)
    if not having:
        raise UnknownStemError(
            f"No model to choose from has all of the stems {named}.",
            hint="`stemsplit models list` shows the stems of each; take one with `model`.",
        )
    allowed = [entry for entry in having if not wanted.permissive or entry.licence in PERMISSIVE]
    if not allowed:
        raise UnknownModelError(
            f"No model for {named} has a permissive licence: those that have these stems are "
            f"{', '.join(entry.name for entry in having)}.",
            hint="`stemsplit models show NAME` says what is known; leave out `licence` to allow "
            "them.",
        )
    fitting = [entry for entry in allowed if _fits(entry, wanted.memory_bytes)]
    if not fitting:
        raise UnknownModelError(
            f"No model for {named} fits into {(wanted.memory_bytes or 0) / 2**30:.1f} GiB "
            "of memory.",
            hint="Take one with `model` to try it all the same.",
        )
    return fitting


def _has(entry: CatalogEntry, stems: Collection[str]) -> bool:
    """True if the model has the stems, `other` being what is neither drums nor bass nor vocals.

    That of a network for vocals alone is everything but the voice.
    """
    if "other" in stems and not {"drums", "bass", "vocals"} <= set(entry.stems):
        return False
    return set(stems) <= set(entry.stems)


def _fits(entry: CatalogEntry, memory_bytes: int | None) -> bool:
    if memory_bytes is None or entry.size_bytes is None:
        return True
    return _COPIES_IN_MEMORY * entry.size_bytes + _WORKING_BYTES <= memory_bytes


def _figures(entry: CatalogEntry, stems: Sequence[str]) -> dict[tuple[str, str, str], float]:
    """Mean figures in dB over the stems, by measurement, where each of them has one."""
    figures = {}
    for measurement in dict.fromkeys(map(_measurement, entry.scores)):
        values = {
            score.stem: score.value
            for score in entry.scores
            if _measurement(score) == measurement
            and not (entry.trained_on_test_set and "MUSDB18" in score.dataset)
        }
        if all(stem in values for stem in stems):
            figures[measurement] = sum(values[stem] for stem in stems) / len(stems)
    return figures


def _measurement(score: PublishedScore) -> tuple[str, str, str]:
    return score.metric, score.dataset, score.protocol


def _common_measurement(
    entries: Sequence[CatalogEntry], stems: Sequence[str]
) -> tuple[str, str, str] | None:
    """The one that counts for most, and of these the most common; None if there is none."""
    counts = Counter(measurement for entry in entries for measurement in _figures(entry, stems))
    ranks = {_measurement(score): score.rank for entry in entries for score in entry.scores}
    return min(counts, key=lambda each: (ranks[each], -counts[each]), default=None)


def _reason(
    entry: CatalogEntry,
    wanted: Requirements,
    measurement: tuple[str, str, str] | None,
    *,
    num_others: int,
) -> str:
    kind = "permissive model" if wanted.permissive else "model"
    here = " on this machine" if wanted.here is not None and entry.name in wanted.here else ""
    what = f"{here} for {', '.join(wanted.stems)}"
    device = "a CPU" if wanted.device == "cpu" else "a GPU"
    operations = cost(entry, wanted.stems)
    figure = _figures(entry, wanted.stems).get(measurement) if measurement else None
    if operations > wanted.limit:
        why = (
            f"the cheapest {kind}{what}, though its {operations:.0f} Gop for a second of music are "
            f"many for {device}"
        )
    elif not num_others:
        why = f"the only {kind}{what} that {device} bears"
    elif figure is None or measurement is None:
        why = f"the first of {num_others + 1} {kind}s{what}; none has a published figure"
    else:
        limit = "" if wanted.limit == math.inf else f" of up to {wanted.limit:.0f} Gop/s"
        why = (
            f"of {num_others + 1} {kind}s{what}{limit} it has the highest published figure, "
            f"{figure:.2f} dB ({measurement[0]}, {measurement[1]})"
        )
    return f"{entry.name} was chosen ({wanted.quality}): {why}."
