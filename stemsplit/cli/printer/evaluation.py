"""The tables of `stemsplit evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stemsplit.cli.printer.command_events import Summarized, SystemsCompared
from stemsplit.cli.printer.tables import print_table

if TYPE_CHECKING:
    from stemsplit.evaluate.bootstrap import Estimate

INTERVAL = "95 %"
_FIGURES = ("mean", "median", "difference", INTERVAL, "tracks", "excluded")


def print_summaries(event: Summarized) -> None:
    """The closing table."""
    names = label_systems([summary.system for summary in event.summaries])
    figures = ("mean", INTERVAL, "median", INTERVAL, "tracks", "excluded")
    rows = [
        (
            summary.stem,
            summary.metric,
            names[summary.system],
            *_cells(summary.mean, summary.metric),
            *_cells(summary.median, summary.metric),
            str(summary.num_tracks),
            str(summary.num_excluded),
        )
        for summary in event.summaries
    ]
    print_table(
        ("stem", "metric", "model", *figures),
        rows,
        right=_FIGURES,
        spare=("excluded", "tracks", INTERVAL, "median"),
    )


def print_comparisons(event: SystemsCompared) -> None:
    """The table of `--compare`."""
    header = ("stem", "metric", "difference", INTERVAL, "tracks", "excluded", "verdict")
    rows = [
        (
            each.stem,
            each.metric,
            *_cells(each.difference, each.metric, sign="+"),
            str(each.num_tracks),
            str(each.num_excluded),
            each.verdict,
        )
        for each in event.comparisons
    ]
    print_table(header, rows, right=_FIGURES, spare=("excluded", "tracks", INTERVAL))


def label_systems(keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """A name for each system, with as much of its key as tells it from the others."""
    labels = {}
    for key in keys:
        model, revision, precision = key
        others = [other for other in keys if other != key and other[0] == model]
        label = model
        if any(other[1] != revision for other in others):
            label += f"@{revision.removeprefix('sha256:')[:12]}"
        if any(other[2] != precision for other in others):
            label += f" ({precision})"
        labels[key] = label
    return labels


def _cells(estimate: Estimate | None, metric: str, sign: str = "") -> tuple[str, str]:
    """The figure and its interval."""
    if estimate is None:
        return "-", "-"
    form = f"{sign}.3f" if metric in ("pesq", "stoi", "estoi") else f"{sign}.2f"
    interval = "-"
    if estimate.interval is not None:
        interval = " to ".join(format(bound, form) for bound in estimate.interval)
    return format(estimate.value, form), interval
