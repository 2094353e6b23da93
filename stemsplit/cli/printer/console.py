"""The terminal: results go to stdout, everything else to stderr.

On a terminal, lines break between words, and what is longer than a line is left to the terminal, so
that a path can be copied in one piece. In a pipe or a file each message is one line.
"""

from __future__ import annotations

import functools
import io
import logging
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from stemsplit.cli.flags import in_flags
from stemsplit.errors import one_line

CAUTION = "black on yellow"
"""The style of what must not be missed; readable on light and on dark, which bold yellow is not."""

# With all that touches it: what may be broken begins and ends at a space.
_TOGETHER = re.compile(
    r"[^ ]*`[^`]+`[^ ]*|(?<![^ ])\(?\d[\d.:]* (?:s|ms|dB|Hz|kHz|MB|GB|MiB|GiB|%|x)(?!\w)[^ ]*"
)

STDIN_FOLDER = ".stemsplit-stdin-"
"""What the name of a folder begins with in which a song from stdin lies."""

NOTE = f"[{CAUTION}]Note:[/]"
ERROR = "[bold red]Error:[/]"
FAILED = "[bold red]Failed:[/]"


def say(message: str | Text) -> None:
    """Prints one message on stderr, which may be rich markup."""
    put(stderr(), message)


def put(console: Console, message: str | Text) -> None:
    """Prints one message, which may be rich markup."""
    text = message
    if isinstance(text, str):
        text = Text.from_markup(one_line(text), emoji=False)
    num_leading = len(text.plain) - len(text.plain.lstrip(" "))
    lines = fold(text, console.width, indent=2 * num_leading) if console.is_terminal else [text]
    for line in lines:
        console.print(line, soft_wrap=True)


def set_up_logging(*, verbose: bool, debug: bool) -> None:
    """Sends stemsplit's own log messages to stderr."""
    level = logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING
    logging.basicConfig(level=logging.WARNING, handlers=[_Log()], format="%(message)s")
    logging.getLogger("stemsplit").setLevel(level)


class _Log(logging.Handler):
    """Prints log messages on stderr, whatever that is by then: a bar may be in between."""

    def emit(self, record: logging.LogRecord) -> None:
        for line in self.format(record).split("\n"):  # a traceback has many
            say(plain(line))


def stderr() -> Console:
    """The console on stderr. There is one, so that what is printed goes above a progress line."""
    return _console_on(getattr(sys.stderr, "rich_proxied_file", sys.stderr))


@functools.lru_cache(maxsize=1)
def _console_on(stream: TextIO) -> Console:
    del stream  # by which the console is known; it writes to whatever stderr is
    # Without emoji: a song called :guitar: keeps its name.
    return Console(stderr=True, highlight=False, emoji=False)


def stdout() -> Console:
    """A console on stdout."""
    return Console(highlight=False, emoji=False)


def fold(text: Text, width: int, *, indent: int = 0) -> list[Text]:
    """The text in lines of at most `width` columns, all but the first of them indented.

    They break at spaces only, and neither within what is in backticks nor between a number and its
    unit, if that fits into a line: a word that is longer than a line stays whole.
    """
    breaks: list[int] = []
    start = 0
    for end in [*_spaces(text.plain, width - indent), len(text)]:
        begin = breaks[-1] if breaks else 0
        room = width - (indent if breaks else 0)
        if start > begin and cell_len(text.plain[begin:end]) > room:
            breaks.append(start)
        start = end + 1
    lines = list(text.divide(breaks))
    for line in lines[:-1]:
        line.right_crop(1)  # the space at which it was broken
    return [lines[0], *(Text(" " * indent).append_text(line) for line in lines[1:])]


def _spaces(text: str, room: int) -> Iterator[int]:
    """Where a line may end."""
    whole = [match.span() for match in _TOGETHER.finditer(text) if cell_len(match[0]) <= room]
    for match in re.finditer(" ", text):
        if not any(start < match.start() < end for start, end in whole):
            yield match.start()


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
    """Text of the library as rich markup: arguments are flags, and nothing in it is markup.

    No tag may follow it at once: it may end with a backslash.
    """
    return escaped(in_flags(text))


def escaped(text: str) -> str:
    """The text as rich markup; again, no tag may follow it at once."""
    return escape(f"{text} ")[:-1]  # without the backslash that rich adds to one at the end


def shown(path: Path) -> str:
    """A path that any terminal can print, as rich markup; again, no tag may follow it at once.

    What came from stdin, and lies in a folder of ours for a while, is just that.
    """
    from stemsplit.audio.file_names import display_path

    is_stdin = any(part.startswith(STDIN_FOLDER) for part in path.parts)
    return "stdin" if is_stdin else escaped(display_path(path))


def about(path: Path, text: str) -> str:
    """Text of the library about a file as rich markup, which names the file at its beginning."""
    from stemsplit.audio.file_names import display_path

    name = display_path(path)
    if text.startswith(f"The folder {name} "):
        return plain(text)
    for beginning in (name, display_path(path.name)):
        if text.startswith(f"{beginning} "):  # as most messages do
            return shown(path) + plain(text.removeprefix(beginning))
    return f"{shown(path)}: {plain(text)}"


def elapsed(seconds: float) -> str:
    """How long something took or is: the same, in tenths of a second where it was short."""
    return f"{seconds:.1f} s" if seconds < 9.95 else clock(seconds)


def clock(seconds: float) -> str:
    """Minutes and seconds, as on a player."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
