"""The terminal: results go to stdout, everything else to stderr."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape

from stemsplit.errors import one_line


def say(message: str) -> None:
    """Prints one line of rich markup on stderr."""
    stderr().print(one_line(message))


def stderr() -> Console:
    """A console on stderr."""
    # Without emoji: a song called :guitar: keeps its name.
    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def shown(path: Path) -> str:
    """A path that any terminal can print, with nothing in it read as markup."""
    from stemsplit.audio.info import display_path

    return escape(display_path(path))


def clock(seconds: float) -> str:
    """Minutes and seconds, as on a player."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
