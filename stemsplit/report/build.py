"""From records to pages."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemsplit.errors import StemsplitError
from stemsplit.report.page import made_of, render_song
from stemsplit.report.publish import check_page, is_made_of, write_page
from stemsplit.report.records import SeparatedTrack, SongRecords, group_songs
from stemsplit.report.sounds import SongSounds, read_song


@dataclass(frozen=True, kw_only=True, slots=True)
class PageResult:
    """What became of the page about a record: `error` says why it was not made.

    `notes`: what the page had to leave out, such as files that are gone. `is_new`: it was written;
    else the one that was there says the same.
    """

    track: SeparatedTrack
    notes: tuple[str, ...] = ()
    error: str | None = None
    is_new: bool = True


def make_pages(
    tracks: Sequence[SeparatedTrack], wanted: Container[Path] | None = None, *, embed: bool
) -> Iterator[PageResult]:
    """Writes a page beside each record; one that fails does not stop the others.

    `wanted`: only songs that one of these records is about, and of these only the ones with new
    records. Then all pages of the song are made, because each of them compares all its separations.
    """
    for group in group_songs(tracks):
        if wanted is None:
            yield from _make_group(group, embed=embed)
        elif any(track.file in wanted for track in group.tracks):
            source = made_of(group, embed=embed)
            if all(is_made_of(track.page_file, source) for track in group.tracks):
                yield from (PageResult(track=track, is_new=False) for track in group.tracks)
            else:
                yield from _make_group(group, embed=embed)


def _make_group(group: SongRecords, *, embed: bool) -> Iterator[PageResult]:
    song: SongSounds | None = None
    for track in group.tracks:
        try:
            check_page(track.page_file)
            song = song or read_song(group, embed=embed)
            write_page(track.page_file, render_song(song, track.page_file, embed=embed))
        except StemsplitError as error:
            yield PageResult(track=track, error=str(error))
        else:
            yield PageResult(track=track, notes=song.notes)
