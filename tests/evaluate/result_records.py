"""Records of results, as an evaluation writes them."""

from __future__ import annotations

from stemsplit.evaluate.results_file import Record


def record(track: str = "song", *, value: float | None = 1.0, **changes: str) -> Record:
    fields = {
        "dataset": "folder",
        "subset": None,
        "track": track,
        "track_bytes": 100,
        "stem": "bass",
        "estimate": "bass",
        "metric": "sdr",
        "value": value,
        "reason": "",
        "model": "m",
        "revision": "r",
        "precision": "fp32",
        "tool_version": "0",
        "protocol": "p",
        **changes,
    }
    return Record(**fields)  # type: ignore[arg-type]
