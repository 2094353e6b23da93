"""Lists of songs, which lie beside some."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from stemsplit.audio.tags.song_tags import make_tags
from stemsplit.batch.cue_sheet import cuts_a_file, sheet_songs
from stemsplit.batch.playlist import playlist_songs
from stemsplit.batch.song import Song
from stemsplit.batch.template import output_path
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


def _beside_songs(seeds: Sequence[bytes]) -> Callable[[Path], Sequence[bytes]]:
    """The seeds, and where they are put, the songs that they name."""

    def make(folder: Path) -> Sequence[bytes]:
        for name in _NAMES:
            write_sndfile(folder / "input" / name, tone(50))
        return seeds

    return make


_CUE_SEEDS = (
    'PERFORMER "A"\r\nTITLE "Zoë"\r\nFILE "a.wav" WAVE\r\n  TRACK 01 AUDIO\r\n    TITLE "One"\r\n'
    '    INDEX 01 00:00:00\r\n  TRACK 02 AUDIO\r\n    PERFORMER "B"\r\n    INDEX 00 00:00:01\r\n'
    "    INDEX 01 00:00:02\r\n".encode("cp1252"),
    'REM DATE 1999\nFILE "a.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nTRACK 02 AUDIO\n'
    'INDEX 00 00:00:02\nFILE "Zoë 2.wav" WAVE\nINDEX 01 00:00:00\n'.encode(),
    b'\xef\xbb\xbfFILE gone.ape WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nFILE "a.wav" WAVE\n'
    b"TRACK 02 AUDIO\nINDEX 01 00:00:03\nTRACK 03 MODE1/2352\nINDEX 01 00:00:04\n",
)
_CUE_WORDS = (
    *(*_TEXT_WORDS, b'"', b"FILE ", b"TRACK ", b"INDEX 01 ", b"REM ", b"TITLE ", b"99:59:74"),
    *(b"9" * 5000, b"00:00:75", b"-1:00:00", b"BINARY", b"AUDIO", b"0", b"\xd9\xa3", b"\t"),
    *(b"TRACK 1\n" * 2000, b"FILE x\n" * 2000, b"".join(b"TRACK %d\n" % n for n in range(999))),
)


def _read_cue(path: Path) -> None:
    songs = list(sheet_songs(path))
    places = [song.place for song in songs if song.track is not None]
    inputs = [song.input for song in songs if song.track is not None]
    assert len(set(places)) == len(places) == len(set(inputs))
    for song in songs:
        if song.track is not None and song.problem is None:
            tags = make_tags(song.track.tags, [])
            assert tags.number("tracknumber") == (song.track.number, int(*tags.text["tracktotal"]))
            assert len(output_path(Path("/o"), "{track}", {"track": song.name}).name.encode()) < 200
            start, stop = song.track.stretch.samples(44_100)
            assert start >= 0
            assert stop is None or start < stop
    assert cuts_a_file(path) in (True, False)
    _check_songs(songs)


LIST_TARGETS = {
    "cue": Target(".cue", _beside_songs(_CUE_SEEDS), _read_cue, _CUE_WORDS),
    "playlist": Target(".m3u", _beside_songs(_PLAYLIST_SEEDS), _read_playlist, _PLAYLIST_WORDS),
}
