"""Tables and facts on stdout, for people and for other programs.

On a terminal no word is ever cut: a table that is too wide gets narrower columns, then fewer where
some are to spare, and one that is too wide all the same becomes a paragraph for each of its rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from stemsplit.cli.printer.console import fold, say, stdout
from stemsplit.errors import one_line

_GAP = 2
_LEAST_TEXT = 20
_NARROW_INDENT = 4
_NOTHING = ("", "-")


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
    wraps: Collection[str] | None = None,
    spare: Sequence[str] = (),
    grouped: bool = False,
) -> Sequence[str]:
    """A table on a terminal; tab-separated lines for other programs.

    Columns in `right` have figures. Where the terminal is too narrow, those in `wraps` make room
    for the others: all but the first, which has the names, if there is no telling (None). If that
    is not enough, those in `spare` are left out, the first one first; stderr says so, and they are
    returned. `grouped`: the first column says what several rows have in common, and on a terminal
    says it once.
    """
    rows = [[one_line(cell) for cell in row] for row in rows]
    console = stdout()
    if not console.is_terminal:
        for row in (header, *rows):
            typer.echo("\t".join(row))
        return ()
    spare = [title for title in spare if title in header]
    for num_left_out in range(len(spare) + 1):
        left_out = spare[:num_left_out]
        shown = [index for index, title in enumerate(header) if title not in left_out]
        titles, *table = ([row[index] for index in shown] for row in (header, *rows))
        shrinks = [
            title not in right and (index > 0 if wraps is None else title in wraps)
            for index, title in enumerate(titles)
        ]
        widths = _fitting_widths([titles, *table], shrinks, console.width)
        if widths is not None:
            is_right = [title in right for title in titles]
            _print_lines(console, _table_row(titles, widths, is_right, style="bold"))
            for above, row in zip([titles, *table], table, strict=False):
                first = "" if grouped and above[0] == row[0] else row[0]
                _print_lines(console, _table_row([first, *row[1:]], widths, is_right))
            if left_out:
                say(f"Left out, for want of room: {', '.join(dict.fromkeys(left_out))}.")
            return left_out
    begin = 1 if grouped else 0
    group = None
    for row in rows:
        if grouped and row[0] != group:
            group = row[0]
            _print_lines(console, fold(Text(group, "bold"), console.width))
        _print_lines(console, _paragraph(header[begin:], row[begin:], console.width))
    return ()


def print_facts(facts: Mapping[str, str], *, width: int) -> None:
    """A line for each fact: its name in `width` columns, and right of it the fact."""
    for name, text in facts.items():
        print_indented(f"{name:<{width}}", text)


def print_indented(head: str | Text, text: str) -> None:
    """`head`, and right of it the text; on a terminal in lines that fit, below its beginning."""
    head = Text(head) if isinstance(head, str) else head
    console = stdout()
    if not console.is_terminal:
        typer.echo(head.plain + one_line(text))
        return
    indent = fitting_indent(text, head.cell_len, console.width, narrow=_NARROW_INDENT)
    is_narrow = indent < head.cell_len
    lines = fold(Text(one_line(text)), console.width - indent)
    if is_narrow:
        _print_lines(console, [head] if head.plain.strip() else [])
        head = Text(" " * indent)
    for number, line in enumerate(lines):
        _print_lines(console, [(head if number == 0 else Text(" " * indent)).append_text(line)])


def fitting_indent(text: str, indent: int, width: int, *, narrow: int) -> int:
    """Where the lines of a text begin: at `indent` if there is room for it, else at `narrow`."""
    longest_word = max((cell_len(word) for word in text.split(" ")), default=0)
    return indent if width - indent >= max(_LEAST_TEXT, longest_word) else min(narrow, indent)


def _fitting_widths(
    rows: Sequence[Sequence[str]], shrinks: Sequence[bool], width: int
) -> list[int] | None:
    """The width of each column for a table that fits; None if that would cut a word.

    The first row has the titles, which may always be folded.
    """
    columns = list(zip(*rows, strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    least = [
        max(
            cell_len(part)
            for text, folds in ((title, True), *((cell, can) for cell in cells))
            for part in (text.split(" ") if folds else [text])
        )
        for (title, *cells), can in zip(columns, shrinks, strict=True)
    ]
    excess = sum(widths) + _GAP * (len(widths) - 1) - width
    while excess > 0:
        room = [full - low for full, low in zip(widths, least, strict=True)]
        if not any(room):
            return None
        widest = max(range(len(widths)), key=lambda index: (room[index] > 0, widths[index]))
        widths[widest] -= 1
        excess -= 1
    return widths


def _table_row(
    cells: Sequence[str], widths: Sequence[int], is_right: Sequence[bool], style: str = ""
) -> list[Text]:
    """The lines of a row."""
    folded = [fold(Text(cell, style), width) for cell, width in zip(cells, widths, strict=True)]
    lines = []
    for number in range(max(map(len, folded))):
        line = Text()
        for cell, width, to_right in zip(folded, widths, is_right, strict=True):
            part = cell[number] if number < len(cell) else Text()
            part.align("right" if to_right else "left", width)
            line.append_text(part).append(" " * _GAP)
        line.rstrip()
        lines.append(line)
    return lines


def _paragraph(header: Sequence[str], cells: Sequence[str], width: int) -> list[Text]:
    """A row as its first cell, and below it the others with their titles."""
    lines: list[Text] = []
    for title, cell in zip(header[1:], cells[1:], strict=True):
        if cell in _NOTHING:
            continue
        named = Text(f"{title} {cell}")
        if lines and lines[-1].cell_len + 2 + named.cell_len <= width:
            lines[-1].append("; ").append_text(named)
        else:
            lines += [Text("  ").append_text(line) for line in fold(named, width - 2)]
    return [*fold(Text(cells[0], "bold"), width), *lines]


def _print_lines(console: Console, lines: Sequence[Text]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True)
