"""Whether two models differ, from the figures that both have on the same tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stemsplit.errors import UsageError
from stemsplit.evaluate.bootstrap import Estimate, estimate_mean
from stemsplit.evaluate.oracles import ORACLES
from stemsplit.evaluate.results_file import Record
from stemsplit.evaluate.systems import MIXTURE

MIN_TRACKS_TO_TELL = 6
"""Two equal models differ in the same direction on all of n tracks with a chance of 2 / 2^n, which
is below 5 % from six on. With fewer, the interval is too narrow to be trusted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """The mean of the first system's figures minus the second's, over the tracks of both.

    `verdict`: which one is better, that no difference was found, or that there are too few tracks.
    """

    metric: str
    stem: str
    protocol: str
    difference: Estimate | None
    num_tracks: int
    num_excluded: int
    verdict: str


def pick_system(records: Sequence[Record], wanted: str | None, origin: str) -> list[Record]:
    """The records of one system: of `wanted`, a name or name@revision, or of the only model.

    Raises:
        UsageError: there is none, or more than one; `origin` says where the records are from.
    """
    bounds = (MIXTURE, *ORACLES)
    found: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        is_it = record.model not in bounds
        if wanted is not None:
            is_it = record.model == wanted or f"{record.model}@{record.revision}" == wanted
        if is_it:
            found.setdefault(record.system, []).append(record)
    if len(found) == 1:
        return next(iter(found.values()))
    known = found or dict.fromkeys(record.system for record in records)
    names = ", ".join(f"{model}@{revision} ({precision})" for model, revision, precision in known)
    what = "a model" if wanted is None else wanted
    if not found:
        raise UsageError(f"{origin} has no results of {what}.", hint=f"It has: {names or 'none'}.")
    raise UsageError(
        f"{origin} has results of several models: {names}.",
        hint="Choose with `model`, by NAME or NAME@REVISION, once for both files or once each.",
    )


def compare(first: Sequence[Record], second: Sequence[Record]) -> list[Comparison]:
    """Paired differences for each measure and stem that both have, track by track.

    Each of the two is of one system. A track counts as excluded where either has no figure.
    """
    others = {record.subject: record for record in second}
    groups: dict[tuple[str, str, str], list[float | None]] = {}
    for record in first:
        other = others.get(record.subject)
        if other is None:
            continue
        pair = (record.value, other.value)
        difference = None if pair[0] is None or pair[1] is None else pair[0] - pair[1]
        groups.setdefault((record.metric, record.stem, record.protocol), []).append(difference)
    comparisons = []
    for (metric, stem, protocol), values in groups.items():
        figures = np.array([value for value in values if value is not None])
        estimate = estimate_mean(figures)
        comparisons.append(
            Comparison(
                metric=metric,
                stem=stem,
                protocol=protocol,
                difference=estimate,
                num_tracks=len(figures),
                num_excluded=len(values) - len(figures),
                verdict=_verdict(estimate, len(figures)),
            )
        )
    return comparisons


def _verdict(difference: Estimate | None, num_tracks: int) -> str:
    if difference is None or difference.interval is None or num_tracks < MIN_TRACKS_TO_TELL:
        return "too few tracks to tell"
    low, high = difference.interval
    if low > 0:
        return "the first is better"
    return "the second is better" if high < 0 else "no difference found"
