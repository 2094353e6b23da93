"""From an argument that is no folder to the songs that it stands for; nothing is decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from stemsplit.audio.addresses import local_file
from stemsplit.audio.file_names import (
    CUE_SHEET_SUFFIX,
    OTHER_PLAYLIST_SUFFIXES,
    PLAYLIST_SUFFIXES,
)
from stemsplit.batch import cue_sheet, playlist
from stemsplit.batch.song import Song


def named_songs(given: Path) -> Iterator[Song]:
    """The song that was named, or those of the list that was, each with what is wrong with it."""
    if not os.path.lexists(given):
        given = local_file(given) or given
    suffix = given.suffix.lower()
    if suffix in PLAYLIST_SUFFIXES:
        yield from playlist.playlist_songs(given)
    elif suffix in OTHER_PLAYLIST_SUFFIXES:
        yield playlist.other_playlist(given)
    elif suffix == CUE_SHEET_SUFFIX:
        yield from cue_sheet.sheet_songs(given)
    else:
        yield Song.of_file(given)
