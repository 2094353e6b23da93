"""Why a track is separated again, and what came of what was there: in words."""

from __future__ import annotations

from dataclasses import dataclass

from stemsplit.batch.earlier import Settled
from stemsplit.batch.fingerprint import Change
from stemsplit.batch.job import TrackPlan
from stemsplit.batch.record_file import other_names
from stemsplit.engine.record import TrackRecord
from stemsplit.quoting import listed


@dataclass(frozen=True, kw_only=True, slots=True)
class Redo:
    """In what an earlier run differs from what is wanted, or which of its outputs are not there.

    `renames`: the outputs have other names than they had.
    """

    changes: tuple[Change, ...] = ()
    missing: tuple[str, ...] = ()
    renames: bool = False

    @classmethod
    def of(cls, plan: TrackPlan, record: TrackRecord | None) -> Redo:
        """Compares what is planned with the record of what is there."""
        if record is None:
            return cls()
        changes = plan.changes(record)
        missing = () if changes else tuple(plan.missing(record))
        renames = other_names(record, plan.outputs, plan.folder)
        return cls(changes=tuple(changes), missing=missing, renames=renames)

    @property
    def reason(self) -> str | None:
        """As one would say it: "bit depth 32f -> 24". None if only `overwrite` asks for it."""
        if self.changes:
            return ", ".join(map(str, self.changes))
        if self.renames:
            return "other names for the files"
        if self.missing:
            return f"not as the last run left it: {listed(self.missing)}"
        return None

    def words(self, settled: Settled) -> list[str]:
        """What the user should know about it, once it is done."""
        why = [f"Separated again: {self.reason}."] if self.reason else []
        sentences = [*why, *settled.words()]
        return [" ".join(sentences)] if sentences else []
