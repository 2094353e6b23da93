"""Lists of songs, which lie beside some."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from stemsplit.batch.playlist import playlist_songs
from stemsplit.batch.song import Song
from stemsplit.errors import MAX_MESSAGE, StemsplitError
from tests.audio.songs import tone, write_sndfile
from tests.fuzz.target import Target

_NAMES = ("a.wav", "Zoë 2.wav")

_PLAYLIST_SEEDS = (
    "#EXTM3U\r\n#EXTINF:1,Zoë - 2\r\nZoë 2.wav\r\na.wav\r\n".encode(),
    b"\xef\xbb\xbf./a.wav\n../input/a.wav\nfile:///etc/hostname\nhttps://example.org/a.mp3\n",
    "Zoë 2.wav\ngone\\a.wav\n".encode("cp1252"),
    "#EXTM3U\na.wav\nZoë 2.wav\n".encode("utf-16"),
)
_TEXT_WORDS = (
    *(b"\r\n", b"\n", b"\r", b"\0", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80"),
    *(b"..", b"../" * 2000, b"/", b"\\", b"%", b"%00", b"%ff", b"%2e%2e%2f", b"~", b"C:\\", b"."),
    *(b"file:///", b"file://localhost/", b"https://", b"s3://", b"youtu.be/", b"x" * 70_000),
    *(b"/dev/zero", b"/dev/stdin", b"/proc/self/mem", b"/proc/self/fd/0", b"\x1b[31m", b"\xe3\x81"),
)
_PLAYLIST_WORDS = (*_TEXT_WORDS, b"#EXTM3U", b"#EXT-X-", b"#", b"a.m3u", b"a.wav\n" * 30_000)


def _read_playlist(path: Path) -> None:
    _check_songs(playlist_songs(path))


def _check_songs(songs: Iterable[Song]) -> None:
    """Goes through the songs.

    Raises:
        StemsplitError: none of them is well.
    """
    problems = []
    num_good = 0
    for song in songs:
        if song.problem is None:
            assert song.path.is_file()
            num_good += 1
        else:
            assert len(str(song.problem)) < MAX_MESSAGE
            assert str(song.problem) == f"{song.problem.message} {song.problem.hint}".strip()
            problems.append(song.problem)
    if not num_good:
        raise problems[0] if problems else StemsplitError("There are no songs.")


def _playlist_seeds(folder: Path) -> tuple[bytes, ...]:
    for name in _NAMES:
        write_sndfile(folder / "input" / name, tone(50))
    return _PLAYLIST_SEEDS


LIST_TARGETS = {
    "playlist": Target(".m3u", _playlist_seeds, _read_playlist, _PLAYLIST_WORDS),
}
