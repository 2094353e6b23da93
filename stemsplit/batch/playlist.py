"""Playlists: a file of this machine on each line of a .m3u or .m3u8.

The list is the user's, so it may name any file that the user could name. Nothing is fetched, and
lists in lists are not followed. Whatever cannot be taken is a song that fails and names its line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from stemsplit.audio.addresses import as_address, local_file
from stemsplit.audio.file_names import display_path, is_list
from stemsplit.audio.readable import elsewhere
from stemsplit.batch.list_text import find_named, read_lines
from stemsplit.batch.song import Song
from stemsplit.errors import AudioReadError
from stemsplit.quoting import shortened

_MAX_BYTES = 8 << 20
_MAX_ENTRIES = 20_000
_MAX_ADDRESS = 2000


def playlist_songs(playlist: Path) -> Iterator[Song]:
    """The songs that the list names, in its order; itself as one that fails, if it names none."""
    try:
        lines = read_lines(playlist, _MAX_BYTES)
        if lines is None:
            yield Song.of_file(playlist)  # named like a list, but no text: perhaps it is a song
            return
        entries = _entries(playlist, lines)
    except AudioReadError as error:
        yield Song(playlist, problem=error)
        return
    for number, name in entries:
        yield _song(playlist, number, name)


def other_playlist(path: Path) -> Song:
    """A playlist of another kind, as a song that fails."""
    song = Song.of_file(path)
    if song.problem is not None:
        return song
    return song.failing(
        f"{display_path(path)} is a playlist of a kind that is not read.",
        hint="Save it as .m3u8 with your player, or name the songs.",
    )


def _entries(playlist: Path, lines: list[str]) -> list[tuple[int, str]]:
    """The lines that name something, by their numbers."""
    name = display_path(playlist)
    if any(line.startswith("#EXT-X-") for line in lines):
        raise AudioReadError(
            f"{name} is no list of songs, but of the pieces of a stream (HLS).",
            hint="Save the stream as one file with the program that plays it, and name that.",
        )
    entries = [
        (number, line)
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not entries:
        raise AudioReadError(
            f"{name} names no songs.", hint="A playlist has the name of a file on each line."
        )
    if len(entries) > _MAX_ENTRIES:
        raise AudioReadError(
            f"{name} names {len(entries)} files.", hint=f"Split it into lists of {_MAX_ENTRIES}."
        )
    return entries


def _song(playlist: Path, number: int, name: str) -> Song:
    song = _named(name, playlist.parent)
    if song.problem is None and is_list(song.path):
        song = song.failing(
            f"{display_path(song.path)} is itself a list, which is not followed.",
            hint="Name it on the command line.",
        )
    if song.problem is None:
        return song
    where = f"Line {number} of {display_path(playlist)} names it."
    return song.failing(f"{song.problem.message} {where}", hint=song.problem.hint)


def _named(name: str, folder: Path) -> Song:
    path = find_named(name, folder)
    address = None if os.path.lexists(path) else as_address(name.strip())
    if address is None:
        return Song.of_file(path)
    file = local_file(address)
    if file is not None:
        return Song.of_file(file)
    address = shortened(address, _MAX_ADDRESS)
    return Song(Path(address), problem=elsewhere(address))
