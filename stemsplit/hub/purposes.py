"""What the models of the catalogue are for, and which of them are better at it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from stemsplit.errors import UsageError
from stemsplit.hub.catalog import DEFAULT_MODELS, CatalogEntry, Purpose, load_purposes
from stemsplit.quoting import quoted


def purpose_named(name: str) -> Purpose:
    """The purpose of that name.

    Raises:
        UsageError: there is none.
    """
    purposes = {purpose.name: purpose for purpose in load_purposes()}
    if name.lower() not in purposes:
        raise UsageError(
            f"No model is known to be for {quoted(name)}.",
            hint=f"What there is: {', '.join(purposes)}.",
        )
    return purposes[name.lower()]


def purposes_of(entry: CatalogEntry) -> list[Purpose]:
    """All that the model is for; it is listed under the first of them."""
    stems = set(entry.child_names.values() or entry.stems)
    return [
        purpose
        for purpose in load_purposes()
        if any(stems.issuperset(wanted) for wanted in purpose.has)
    ]


def by_purpose(entries: Sequence[CatalogEntry]) -> dict[Purpose | None, list[CatalogEntry]]:
    """Each of the models under the first of its purposes, best first; None: those without one."""
    groups: dict[Purpose | None, list[CatalogEntry]] = {}
    for purpose in (*load_purposes(), None):
        found = [entry for entry in entries if next(iter(purposes_of(entry)), None) == purpose]
        if found:
            groups[purpose] = best_first(found, purpose)
    return groups


def shortlist(entries: Sequence[CatalogEntry]) -> dict[Purpose | None, list[CatalogEntry]]:
    """For each purpose the best few, and the one that runs for who names none.

    A purpose that is the first one of no model has the best that is for it as well. Models of which
    nobody has confirmed that a program can fetch them are left out.
    """
    certain = [entry for entry in entries if not entry.unverified and not entry.by_hand]
    groups = by_purpose(certain)
    defaults = {names[0] for names in DEFAULT_MODELS.values()}
    short: dict[Purpose | None, list[CatalogEntry]] = {}
    listed: set[str] = set()
    for purpose in load_purposes():
        left = [entry for entry in certain if entry.name not in listed]
        ranked = groups.get(purpose) or best_first(fitting(purpose, left), purpose)
        best = [
            entry
            for place, entry in enumerate(ranked)
            if place < purpose.shown or entry.name in defaults
        ]
        if best:
            short[purpose] = best
        listed |= {entry.name for entry in best}
    return short


def fitting(purpose: Purpose, entries: Iterable[CatalogEntry]) -> list[CatalogEntry]:
    """Those of the models that are for it."""
    return [entry for entry in entries if purpose in purposes_of(entry)]


def best_first(entries: Iterable[CatalogEntry], purpose: Purpose | None) -> list[CatalogEntry]:
    """The models in the order of their figures.

    Figures are compared within a protocol only: those with one in the catalogue's first protocol
    come first, then those with one in the second, and so on; last those that have none. Of these,
    first what runs for who names no model, then models that are for this purpose above all, and
    last those of which nobody has confirmed that a program can fetch them.
    """
    defaults = {names[0] for names in DEFAULT_MODELS.values()}

    def key(entry: CatalogEntry) -> tuple[object, ...]:
        found = figure(entry, purpose)
        measured = (math.inf, 0.0) if found is None else (found[2], -found[0])
        is_main = purposes_of(entry)[:1] == [purpose]
        uncertain = entry.unverified or entry.by_hand is not None
        return *measured, entry.name not in defaults, not is_main, uncertain

    return sorted(entries, key=key)


def figure(entry: CatalogEntry, purpose: Purpose | None) -> tuple[float, str, int] | None:
    """The SDR in dB that says how good a model is at it; its protocol's letter and rank.

    It is that of the purpose's stem, or else that of all stems, or their mean where each has one.
    """
    stem = purpose.figure if purpose else None
    for rank, short in sorted({(score.rank, score.short) for score in entry.scores}):
        values = {
            score.stem: score.value
            for score in entry.scores
            if score.short == short
            and "SDR" in score.metric
            and not (entry.trained_on_test_set and "MUSDB18" in score.dataset)
        }
        if None not in values and set(entry.stems) <= values.keys():
            mean = sum(values[each] for each in entry.stems) / len(entry.stems)
            values[None] = round(mean, 2)
        if stem in values:
            return values[stem], short, rank
    return None
