"""The index of a folder: a table with a row per track, trouble first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stemsplit.audio.file_names import display_path
from stemsplit.quoting import counted
from stemsplit.report.markup import clock, decibels, escape
from stemsplit.report.page import asset, fill
from stemsplit.report.records import SeparatedTrack
from stemsplit.report.sounds import file_addresses

INDEX_NAME = "index.html"

State = Literal["failed", "suspicious", "incomplete", "done"]

_RANK: dict[State, int] = {"failed": 0, "suspicious": 1, "incomplete": 2, "done": 3}
_COLUMNS = ("Song", "State", "Model", "Length", "Loudness", "Left over", "What to know")


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexRow:
    """A track: `texts` say what is wrong with it, `track` is None where nothing was separated."""

    title: str
    state: State
    texts: tuple[str, ...] = ()
    track: SeparatedTrack | None = None
    page: Path | None = None

    @classmethod
    def of(cls, track: SeparatedTrack, page: Path | None, missing: Sequence[str] = ()) -> IndexRow:
        """The row of a finished separation. `missing`: what its page had to leave out."""
        state: State = "suspicious" if track.suspicions else "incomplete" if missing else "done"
        return cls(
            title=track.title,
            state=state,
            texts=(*track.suspicions, *missing, *track.record.warnings),
            track=track,
            page=page,
        )

    @classmethod
    def failed(cls, song: Path, error: str) -> IndexRow:
        """The row of a song that could not be separated."""
        return cls(title=display_path(song.name), state="failed", texts=(error,))


def render_index(rows: Iterable[IndexRow], folder: Path) -> str:
    """The page `INDEX_NAME` of a folder."""
    ordered = sorted(rows, key=lambda row: (_RANK[row.state], row.title.casefold()))
    counts = [
        f"{number} {state}"
        for state in _RANK
        if (number := sum(row.state == state for row in ordered))
    ]
    return fill(
        "index.html",
        style=asset("page.css"),
        script=asset("index.js"),
        title=escape(display_path(folder.absolute().name) or "stems"),
        subtitle=escape(
            f"{counted(len(ordered), 'track')}: {', '.join(counts)}" if ordered else "No tracks"
        ),
        head="".join(
            f'<th scope="col"><button type="button">{escape(name)}</button></th>'
            for name in _COLUMNS
        ),
        rows="".join(_row(row, folder) for row in ordered),
    )


def _row(row: IndexRow, folder: Path) -> str:
    track = row.track
    name = f"<bdi>{escape(row.title)}</bdi>"
    if row.page is not None:
        name = f'<a href="{escape(file_addresses(row.page, folder)[0])}">{name}</a>'
    place = "" if track is None else display_path(_relative(track.file.parent, folder))
    checks = track.record.checks if track else None
    loudness = checks.mixture.loudness_lufs if checks else None
    seconds = track.duration_seconds if track else None
    residual = track.record.residual_db if track else None
    model = track.model if track else ""
    cells = [
        _cell(row.title.casefold(), f'{name}<br><small class="remark">{escape(place)}</small>'),
        _cell(_RANK[row.state], f'<span class="state {row.state}">{row.state}</span>'),
        _cell(model, escape(model)),
        _cell(seconds, escape("" if seconds is None else clock(seconds))),
        _cell(loudness, escape(decibels(loudness, "LUFS") or "")),
        _cell(residual, escape(decibels(residual) or "")),
        _cell(len(row.texts), "<br>".join(map(escape, row.texts))),
    ]
    return f"<tr>{''.join(cells)}</tr>\n"


def _cell(value: object, markup: str) -> str:
    """A cell and the value that it is sorted by; one without a value comes last."""
    key = "" if value is None else escape(str(value))
    return f'<td data-value="{key}">{markup}</td>'


def _relative(path: Path, folder: Path) -> Path:
    path, folder = path.absolute(), folder.absolute()
    return path.relative_to(folder) if folder in (path, *path.parents) else path
