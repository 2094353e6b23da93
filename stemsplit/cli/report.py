"""`stemsplit report`, and the pages of `stemsplit separate --report`."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from stemsplit.cli.options.declare import FILES, argument, takes
from stemsplit.cli.options.running import MessageOptions
from stemsplit.cli.options.stem_files import PageOptions
from stemsplit.cli.printer.command_events import PageWritten
from stemsplit.cli.printer.sink import Show, printing
from stemsplit.errors import ReportError

if TYPE_CHECKING:
    from stemsplit.report.build import PageResult
    from stemsplit.report.index import IndexRow
    from stemsplit.report.records import SeparatedTrack

PREVIEW_FOLDER = "preview"
"""Where previews go, below the output folder: they are no finished tracks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportOptions:
    """About which stems."""

    folder: Path = argument(
        panel=FILES, metavar="FOLDER", help="Where stems are, with their stemsplit.json."
    )


@takes(without={"report", "verbose"})  # the error boundary looks for --debug itself
def report(asked: ReportOptions, pages: PageOptions, messages: MessageOptions) -> None:
    """Write a page for each song that was separated, to listen to and to read."""
    if not asked.folder.is_dir():
        raise ReportError(
            f"{asked.folder} is no folder.", hint="Name the one that stems were written to."
        )
    with printing(as_json=messages.json, quiet=messages.quiet) as show:
        written = write_pages(asked.folder, show, embed=pages.embed)
    if written.first is None:
        raise ReportError(
            f"There are no finished stems below {asked.folder}.",
            hint="Name a folder that has stemsplit.json files below it, such as `separated`.",
        )
    offer(written, open_page=bool(pages.open_page))
    if written.num_failed:
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class Written:
    """The page to look at first, None if there is nothing; and how many could not be made."""

    first: Path | None
    num_failed: int


def write_pages(
    folder: Path,
    show: Show,
    *,
    embed: bool,
    wanted: Container[Path] | None = None,
    failures: Mapping[Path, str] | None = None,
) -> Written:
    """Writes the pages of the tracks below `folder`, and an index if there are several.

    `wanted`: only the pages of songs that one of these records is about, as far as they are not up
    to date; the index has them all.
    `failures`: songs that could not be separated, and why.

    Raises:
        StemsplitError: the index could not be written.
    """
    from stemsplit.report.build import make_pages
    from stemsplit.report.index import INDEX_NAME, IndexRow, render_index
    from stemsplit.report.publish import write_page

    tracks = find_tracks(folder)
    has_index = len(tracks) + len(failures or {}) > 1
    made: dict[Path, PageResult] = {}
    for result in make_pages(tracks, wanted, embed=embed):
        made[result.track.file] = result
        if result.is_new or not has_index:  # the index leads to those of earlier runs
            show(PageWritten(result.track.page_file, result.error))
    rows = [IndexRow.failed(song, error) for song, error in (failures or {}).items()]
    rows += [_row(track, made.get(track.file)) for track in tracks]
    pages = [result.track.page_file for result in made.values() if result.error is None]
    if has_index:
        index = folder / INDEX_NAME
        write_page(index, render_index(rows, folder))
        show(PageWritten(index))
        pages = pages if len(pages) == 1 else [index]
    return Written(pages[0] if pages else None, sum(r.error is not None for r in made.values()))


def find_tracks(folder: Path) -> list[SeparatedTrack]:
    """What is recorded below the folder; hidden folders and previews are passed over."""
    from stemsplit.batch.record_file import read_record
    from stemsplit.batch.template import RECORD_NAME
    from stemsplit.report.records import SeparatedTrack

    tracks = []
    for name, subfolders, files in os.walk(folder):
        here = Path(name)
        passed_over = {PREVIEW_FOLDER} if here == folder else set()
        subfolders[:] = sorted(
            sub for sub in subfolders if not sub.startswith(".") and sub not in passed_over
        )
        for file in sorted(files):
            if not file.endswith(RECORD_NAME) or (record := read_record(here / file)) is None:
                continue
            try:
                tracks.append(SeparatedTrack.of(here / file, record))
            except ReportError:
                continue  # of a run that was interrupted, or of a song without a single sample
    return tracks


def offer(written: Written, *, open_page: bool) -> None:
    """Opens the first page in the browser if it is to be opened."""
    if open_page and written.first is not None:
        webbrowser.open(written.first.absolute().as_uri())


def can_show() -> bool:
    """Whether somebody sits in front of this machine and could see a browser."""
    has_display = sys.platform in ("win32", "darwin") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return has_display and sys.stdout.isatty()


def _row(track: SeparatedTrack, made: PageResult | None) -> IndexRow:
    from stemsplit.report.index import IndexRow
    from stemsplit.report.publish import is_page

    page = track.page_file if is_page(track.page_file) else None
    if made is None:
        return IndexRow.of(track, page)
    return IndexRow.of(track, page, made.notes if made.error is None else (made.error,))
