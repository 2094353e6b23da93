"""Text and tables as HTML. Everything that comes from a file goes through `escape`."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stemsplit.errors import one_line


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is finished, as opposed to text."""

    markup: str


Cell = str | Html | None
"""What a cell shows; None where there is no value."""


def escape(text: str) -> str:
    """Text as HTML, in an element or in an attribute; control characters are made visible."""
    return html.escape(one_line(text), quote=True)


def isolated(text: str) -> Html:
    """A name that may be in any script, so that it does not turn the words around it."""
    return Html(f"<bdi>{escape(text)}</bdi>")


def to_html(cell: Cell) -> str:
    if cell is None:
        return '<span aria-label="not known">–</span>'
    return cell.markup if isinstance(cell, Html) else escape(cell)


def table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[Cell]], *, kind: str = ""
) -> str:
    """A table whose first column names the rows. `kind` is a class for the style sheet."""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    head = f"<thead><tr>{head}</tr></thead>\n" if any(headings) else ""
    body = "".join(
        f'<tr><th scope="row">{to_html(row[0])}</th>'
        + "".join(f"<td>{to_html(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in rows
    )
    return (
        f'<div class="scroller {kind}" role="region" aria-label="{escape(caption)}" tabindex="0">\n'
        f"<table><caption>{escape(caption)}</caption>\n"
        f"{head}<tbody>\n{body}</tbody></table></div>\n"
    )


def bullets(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>"


def clock(seconds: float) -> str:
    """Minutes, seconds and tenths, as far as they are over: what a player shows."""
    tenths = int(seconds * 10 + 1e-6)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    clock = f"{rest // 10:02}.{rest % 10}"
    return f"{hours}:{minutes:02}:{clock}" if hours else f"{minutes}:{clock}"


def decibels(value: float | None, unit: str = "dB", *, signed: bool = False) -> str | None:
    """A level with a true minus sign; None stays None."""
    if value is None:
        return None
    plus = "+" if signed else ""
    return f"{value:{plus}.1f} {unit}".replace("-", "−")
