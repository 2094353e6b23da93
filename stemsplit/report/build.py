"""From records to pages."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemsplit.errors import StemsplitError
from stemsplit.report.page import made_of, render_song
from stemsplit.report.publish import check_page, is_made_of, write_page
from stemsplit.report.records import SongRecords, TrackRecord, group_songs
from stemsplit.report.sounds import SongSounds, read_song


@dataclass(frozen=True, kw_only=True, slots=True)
class PageResult:
    """What became of the page about a record: `error` says why it was not made.

    `notes`: what the page had to leave out, such as files that are gone. `is_new`: it was written;
    else the one that was there says the same.
    """

    record: TrackRecord
    notes: tuple[str, ...] = ()
    error: str | None = None
    is_new: bool = True


def make_pages(
    records: Sequence[TrackRecord], wanted: Container[Path] | None = None, *, embed: bool
) -> Iterator[PageResult]:
    """Writes a page beside each record; one that fails does not stop the others.

    `wanted`: only songs that one of these records is about, and of these only the ones with new
    records. Then all pages of the song are made, because each of them compares all its separations.
    """
    for group in group_songs(records):
        if wanted is None:
            yield from _make_group(group, embed=embed)
        elif any(record.file in wanted for record in group.records):
            source = made_of(group, embed=embed)
            if all(is_made_of(record.page_file, source) for record in group.records):
                yield from (PageResult(record=record, is_new=False) for record in group.records)
            else:
                yield from _make_group(group, embed=embed)


def _make_group(group: SongRecords, *, embed: bool) -> Iterator[PageResult]:
    song: SongSounds | None = None
    for record in group.records:
        try:
            check_page(record.page_file)
            song = song or read_song(group, embed=embed)
            write_page(record.page_file, render_song(song, record.page_file, embed=embed))
        except StemsplitError as error:
            yield PageResult(record=record, error=str(error))
        else:
            yield PageResult(record=record, notes=song.notes)
