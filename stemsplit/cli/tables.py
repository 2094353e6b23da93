"""Tables on stdout, for people and for other programs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import typer
from rich.console import Console, JustifyMethod
from rich.markup import escape
from rich.table import Table


def print_table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, right: Collection[str] = ()
) -> None:
    """A table on a terminal; tab-separated lines for other programs.

    The first column has the names: they are shown whole, and the others make room for them. Columns
    in `right` have figures.
    """
    console = Console(highlight=False, emoji=False)
    if not console.is_terminal:
        for row in (header, *rows):
            typer.echo("\t".join(row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, title in enumerate(header):
        justify: JustifyMethod = "right" if title in right else "left"
        table.add_column(title, no_wrap=index == 0, overflow="fold", justify=justify)
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)
