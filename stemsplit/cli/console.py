"""The terminal: results go to stdout, everything else to stderr.

On a terminal, lines break between words, and what is longer than a line is left to the terminal, so
that a path can be copied in one piece. In a pipe or a file each message is one line.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from stemsplit.cli.flags import in_flags
from stemsplit.errors import one_line


def say(message: str) -> None:
    """Prints one message in rich markup on stderr."""
    put(stderr(), message)


def put(console: Console, message: str) -> None:
    """Prints one message in rich markup."""
    text = Text.from_markup(one_line(message), emoji=False)
    lines = fold(text, console.width) if console.is_terminal else [text]
    for line in lines:
        console.print(line, soft_wrap=True)


def stderr() -> Console:
    """A console on stderr."""
    # Without emoji: a song called :guitar: keeps its name.
    return Console(stderr=True, highlight=False, emoji=False)


def stdout() -> Console:
    """A console on stdout."""
    return Console(highlight=False, emoji=False)


def fold(text: Text, width: int, *, indent: int = 0) -> list[Text]:
    """The text in lines of at most `width` columns, all but the first of them indented.

    They break at spaces only: a word that is longer than a line stays whole.
    """
    lines: list[Text] = []
    for word in text.split(" ", allow_blank=True):
        if not lines:
            lines.append(word)
        elif lines[-1].cell_len + 1 + word.cell_len <= width:
            lines[-1].append(" ").append_text(word)
        else:
            lines.append(Text(" " * indent).append_text(word))
    return lines


def rendered(lines: Iterable[Text]) -> str:
    """The lines as stdout shows them, with colours if it is a terminal that has some."""
    console = Console(
        file=io.StringIO(),
        force_terminal=stdout().is_terminal,
        highlight=False,
        emoji=False,
    )
    for line in lines:
        console.print(line, soft_wrap=True)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # it is the one above
    return str(text)


def plain(text: str) -> str:
    """Text of the library as rich markup: arguments are flags, and nothing in it is markup."""
    return escape(in_flags(text))


def shown(path: Path) -> str:
    """A path that any terminal can print, with nothing in it read as markup."""
    from stemsplit.audio.info import display_path

    return escape(display_path(path))


def clock(seconds: float) -> str:
    """Minutes and seconds, as on a player."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
