from __future__ import annotations

from pathlib import Path

import pytest

from stemsplit.audio.addresses import as_address, local_file
from stemsplit.audio.file_names import display_path
from stemsplit.audio.source import look
from stemsplit.errors import AudioReadError
from tests.audio.songs import tone, write_sndfile

ADDRESSES = [
    "https://www.youtube.com/watch?v=abc&t=1",
    "HTTP://example.org/song.mp3",
    "ftp://example.org/song.mp3",
    "s3://bucket/song.wav",
    "gs://bucket/song.wav",
    "hf://datasets/owner/name/song.flac",
    "rtsp://example.org/live",
    "memory://song",
    "smb://server/music/song.wav",
    "file://server/song.wav",
    "www.youtube.com/watch?v=abc",
    "youtu.be/abc",
    "music.youtube.com/playlist?list=abc",
    "artist.bandcamp.com/track/song",
    "magnet:?xt=urn:btih:abc",
    "spotify:track:abc",
    "ytsearch1:some song",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_told_from_a_file_that_is_missing(address: str) -> None:
    assert as_address(address) == address
    with pytest.raises(AudioReadError) as raised:
        look(Path(address))
    words = str(raised.value)
    assert "is an address on the network (a URL), and no file. Download the song first" in words
    assert words.startswith(display_path(Path(address)))
    if address != "file://server/song.wav":  # of which a Path keeps one slash, as of file:///
        assert words.startswith(f"{address} ")
    with pytest.raises(AudioReadError, match="is an address"):
        look(f"{address}/{'x' * 300}")  # longer than a name may be


@pytest.mark.parametrize(
    "name",
    [
        *("song.mp3", "Vol. 1/song.com", "C:/Music/song.mp3", "C:\\song.mp3", "album: live/1.wav"),
        *("a/www.song.mp3", "12:30.wav", "Mr. Be/song.wav", "../https:/x"),
    ],
)
def test_names_of_files_are_no_addresses(name: str) -> None:
    assert as_address(name) is None
    with pytest.raises(AudioReadError, match="does not exist"):
        look(name)


def test_a_file_that_is_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("https:", "youtu.be"):
        Path(folder).mkdir()
        write_sndfile(Path(folder) / "a.wav", tone(50))
        assert look(f"{folder}/a.wav").info.num_samples == 50


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("file:///a/b%20c%23.wav", "/a/b c#.wav"),
        ("file://localhost/a.wav", "/a.wav"),
        (Path("file:///a/b.wav"), "/a/b.wav"),
        ("FILE:/a?b#c", "/a?b#c"),
        ("file://server/a.wav", None),
        ("file:a.wav", None),
        ("file:///a%00.wav", None),
        ("https://a/b", None),
    ],
)
def test_files_of_this_machine(address: str | Path, file: str | None) -> None:
    assert local_file(address) == (None if file is None else Path(file))
