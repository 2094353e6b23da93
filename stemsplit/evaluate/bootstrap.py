"""What many tracks say together, and how sure that is.

Tracks are drawn again with replacement, as many as there are, and the figure is computed anew for
each draw; the middle 95 % of the results are the interval (B. Efron, "Bootstrap methods: another
look at the jackknife", Annals of Statistics 7(1), 1979: the percentile interval). The draws are
seeded, so the same records give the same intervals.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stemsplit.evaluate.results_file import Record

_SEED = 0
_NUM_DRAWS = 10_000
_DRAWS_AT_ONCE = 200  # 2100 tracks: 3 MiB
_TAILS = (2.5, 97.5)

Figures = np.ndarray


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure of all tracks, with its interval of 95 % unless there is only one track."""

    value: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """One measure of one stem by one system over all tracks; no figures if none was scored."""

    metric: str
    stem: str
    protocol: str
    system: tuple[str, ...]
    mean: Estimate | None
    median: Estimate | None
    num_tracks: int
    num_excluded: int


def summarize(records: Sequence[Record]) -> list[Summary]:
    """A summary for each measure, stem and system, in the order of their first records."""
    groups: dict[tuple[str, str, str, tuple[str, ...]], list[float | None]] = {}
    for record in records:
        key = (record.metric, record.stem, record.protocol, record.system)
        groups.setdefault(key, []).append(record.value)
    summaries = []
    for (metric, stem, protocol, system), values in groups.items():
        figures = np.array([value for value in values if value is not None])
        summaries.append(
            Summary(
                metric=metric,
                stem=stem,
                protocol=protocol,
                system=system,
                mean=estimate_mean(figures),
                median=estimate_median(figures),
                num_tracks=len(figures),
                num_excluded=len(values) - len(figures),
            )
        )
    return summaries


def estimate_mean(figures: Figures) -> Estimate | None:
    """The mean of figures [N]; None if there are none."""
    return _estimate(figures, _mean)


def estimate_median(figures: Figures) -> Estimate | None:
    """The median of figures [N]; None if there are none."""
    return _estimate(figures, _median)


def _estimate(figures: Figures, figure_of: Callable[[Figures], Figures]) -> Estimate | None:
    """`figure_of` turns figures [..., N] into [...]."""
    if not figures.size:
        return None
    value = float(figure_of(figures))
    if figures.size == 1:
        return Estimate(value, None)
    generator = np.random.default_rng(_SEED)
    shape = (_DRAWS_AT_ONCE, figures.size)
    draws = [
        figure_of(figures[generator.integers(figures.size, size=shape)])
        for _ in range(_NUM_DRAWS // _DRAWS_AT_ONCE)
    ]
    low, high = np.percentile(np.concatenate(draws), _TAILS)
    return Estimate(value, (float(low), float(high)))


def _mean(figures: Figures) -> Figures:
    mean: Figures = figures.mean(axis=-1)
    return mean


def _median(figures: Figures) -> Figures:
    median: Figures = np.median(figures, axis=-1)
    return median
