"""Means, medians, their intervals, and whether two models differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from stemsplit.errors import UsageError
from stemsplit.evaluate.bootstrap import estimate_mean, estimate_median, summarize
from stemsplit.evaluate.compare import compare, pick_system
from stemsplit.evaluate.results_file import Record
from tests.evaluate.result_records import record


def records(values: Sequence[float | None], model: str = "m", **changes: str) -> list[Record]:
    return [
        record(f"song {i}", value=value, model=model, **changes) for i, value in enumerate(values)
    ]


def test_the_interval_is_the_one_that_theory_expects() -> None:
    """Of many tracks, the mean is normal with a deviation of s / sqrt(n)."""
    figures = np.random.default_rng(1).normal(7, 2, size=400)
    estimate = estimate_mean(figures)
    assert estimate is not None
    assert estimate.interval is not None
    assert estimate.value == pytest.approx(figures.mean())
    half = 1.96 * figures.std() / 20
    expected = (figures.mean() - half, figures.mean() + half)
    assert estimate.interval == pytest.approx(expected, abs=0.1 * half)


def test_the_same_figures_give_the_same_interval() -> None:
    figures = np.array([1.0, 5.0, 2.0, 9.0])
    assert estimate_median(figures) == estimate_median(figures.copy())


def test_one_track_has_no_interval_and_none_no_figure() -> None:
    one = estimate_median(np.array([4.0]))
    assert one is not None
    assert (one.value, one.interval) == (4.0, None)
    assert estimate_mean(np.array([])) is None


def test_summaries_count_what_was_excluded() -> None:
    mixed = records([1.0, None, 3.0, 8.0]) + records([None, None], model="n")
    first, second = summarize(mixed)
    assert first.mean is not None
    assert first.median is not None
    assert (first.mean.value, first.median.value) == (4.0, 3.0)
    assert first.median.interval == (1.0, 8.0)
    assert (first.num_tracks, first.num_excluded) == (3, 1)
    assert second.mean is None
    assert (second.system[0], second.num_tracks, second.num_excluded) == ("n", 0, 2)


def test_models_are_compared_track_by_track() -> None:
    """Tracks differ by far more than the models do, and that does not hide the difference."""
    base = list(np.random.default_rng(0).normal(5, 4, size=20))
    better = [value + 0.3 + 0.1 * (-1) ** i for i, value in enumerate(base)]
    (found,) = compare(records(better), records(base))
    assert found.difference is not None
    assert found.difference.value == pytest.approx(0.3)
    assert (found.num_tracks, found.verdict) == (20, "the first is better")
    assert compare(records(base), records(better))[0].verdict == "the second is better"
    noisy = [value + 3 * (-1) ** i for i, value in enumerate(base)]
    assert compare(records(noisy), records(base))[0].verdict == "no difference found"
    assert compare(records(base), records(base))[0].verdict == "no difference found"


def test_few_tracks_say_nothing() -> None:
    for number in (1, 2, 5):
        (found,) = compare(records([2.0] * number), records([1.0] * number))
        assert found.verdict == "too few tracks to tell"
    assert compare(records([2.0] * 6), records([1.0] * 6))[0].verdict == "the first is better"


def test_only_what_both_have_is_compared() -> None:
    first = records([1.0, 2.0, None, 4.0]) + records([9.0], stem="vocals")
    second = records([2.0, None, 3.0]) + records([9.0], protocol="another")
    (found,) = compare(first, second)
    assert (found.stem, found.num_tracks, found.num_excluded) == ("bass", 1, 2)
    assert compare(records([1.0], stem="vocals"), records([1.0])) == []


def test_the_only_model_is_picked_and_bounds_are_not() -> None:
    several = records([1.0], model="mixture") + records([2.0]) + records([3.0], model="irm")
    assert pick_system(several, None, "a.jsonl") == records([2.0])
    assert pick_system(several, "irm", "a.jsonl") == records([3.0], model="irm")
    with pytest.raises(UsageError, match=r"a.jsonl has no results of n. It has: mixture@r \(fp32"):
        pick_system(several, "n", "a.jsonl")
    with pytest.raises(UsageError, match=r"has no results of a model. It has: none"):
        pick_system([], None, "a.jsonl")


def test_a_revision_can_be_picked() -> None:
    both = records([1.0]) + records([2.0], revision="s")
    with pytest.raises(UsageError, match=r"several models: m@r \(fp32\), m@s \(fp32\)"):
        pick_system(both, "m", "a.jsonl")
    assert pick_system(both, "m@s", "a.jsonl") == records([2.0], revision="s")
