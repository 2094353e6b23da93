"""What the user of a run must not miss."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Note:
    """One line, and for whoever asks why, `detail`, which may be long.

    `is_loud`: something else ran than what was wanted, which is said at the start and at the end.
    """

    message: str
    detail: str = ""
    is_loud: bool = False

    def __str__(self) -> str:
        """All of it, as it goes into records."""
        return f"{self.message} {self.detail}".strip()
