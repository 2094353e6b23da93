"""Why a track is separated again, and what came of what was there: in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stemsplit.batch.earlier import Settled
from stemsplit.batch.fingerprint import Change
from stemsplit.batch.job import TrackPlan
from stemsplit.quoting import listed


@dataclass(frozen=True, kw_only=True, slots=True)
class Redo:
    """In what an earlier run differs from what is wanted, or which of its outputs are not there.

    `gain_db`: the gain of its outputs, if there was such a run and it says so.
    """

    changes: tuple[Change, ...] = ()
    missing: tuple[str, ...] = ()
    gain_db: float | None = None

    @classmethod
    def of(cls, plan: TrackPlan, record: Mapping[str, Any] | None) -> Redo:
        """Compares what is planned with the record of what is there."""
        if record is None:
            return cls()
        gain_db = record.get("gain_db")
        changes = plan.changes(record)
        return cls(
            changes=tuple(changes),
            missing=() if changes else tuple(plan.missing(record)),
            gain_db=gain_db if isinstance(gain_db, float) else None,
        )

    @property
    def reason(self) -> str | None:
        """As one would say it: "bit depth 32f -> 24". None if only `overwrite` asks for it."""
        if self.changes:
            return ", ".join(map(str, self.changes))
        if self.missing:
            return f"not as the last run left it: {listed(self.missing)}"
        return None

    def words(self, settled: Settled, gain_db: float) -> list[str]:
        """What the user should know about it, once it is done with a gain of `gain_db`."""
        louder_db = 0.0 if self.gain_db is None else self.gain_db - gain_db
        why = [f"Separated again: {self.reason}."] if self.reason else []
        sentences = [*why, *settled.words(louder_db)]
        return [" ".join(sentences)] if sentences else []
