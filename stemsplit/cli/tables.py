"""Tables on stdout, for people and for other programs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import typer
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table


def print_table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Collection[str] = (),
    wraps: Collection[str] | None = None,
) -> None:
    """A table on a terminal; tab-separated lines for other programs.

    Columns in `right` have figures. Where the terminal is too narrow, those in `wraps` make room
    for the others: all but the first, which has the names, if there is no telling (None).
    """
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        for row in (header, *rows):
            typer.echo("\t".join(row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, title in enumerate(header):
        justify: JustifyMethod = "right" if title in right else "left"
        whole = index == 0 if wraps is None else title not in wraps
        table.add_column(title, no_wrap=whole, overflow="fold", justify=justify)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
