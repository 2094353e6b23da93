"""From records to pages."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemsplit.errors import StemsplitError
from stemsplit.report.lanes import Song, read_song
from stemsplit.report.page import render_song
from stemsplit.report.publish import check_page, write_page
from stemsplit.report.records import SongRecords, TrackRecord, group_songs


@dataclass(frozen=True, kw_only=True, slots=True)
class PageResult:
    """What became of the page about a record: `error` says why it was not made.

    `notes`: what the page had to leave out, such as files that are gone.
    """

    record: TrackRecord
    notes: tuple[str, ...] = ()
    error: str | None = None


def make_pages(
    records: Sequence[TrackRecord], wanted: Container[Path] | None = None, *, embed: bool
) -> Iterator[PageResult]:
    """Writes a page beside each record; one that fails does not stop the others.

    `wanted`: only songs that one of these records is about. All pages of such a song are made anew,
    because each of them compares all separations of the song.
    """
    for group in group_songs(records):
        if wanted is None or any(record.file in wanted for record in group.records):
            yield from _make_group(group, embed=embed)


def _make_group(group: SongRecords, *, embed: bool) -> Iterator[PageResult]:
    song: Song | None = None
    for record in group.records:
        try:
            check_page(record.page_file)
            song = song or read_song(group, embed=embed)
            write_page(record.page_file, render_song(song, record.page_file, embed=embed))
        except StemsplitError as error:
            yield PageResult(record=record, error=str(error))
        else:
            yield PageResult(record=record, notes=song.notes)
