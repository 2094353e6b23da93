"""One thing that `stemsplit doctor` has found out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "note", "problem"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What `name` is on this machine, and the one line that mends it if something is wrong.

    `note`: worth knowing, and songs can be separated all the same. `problem`: something that a
    separation may need does not work.
    """

    topic: str
    name: str
    value: str
    status: Status = "ok"
    fix: str | None = None
