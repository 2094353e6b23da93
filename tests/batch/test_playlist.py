from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from stemsplit.audio.source import look
from stemsplit.batch.discover import discover
from stemsplit.batch.playlist import playlist_songs
from stemsplit.batch.song import Song
from stemsplit.errors import AudioReadError
from tests.audio.songs import tone, write_sndfile


def make_songs(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_sndfile(folder / name, tone(50))
    return [folder / name for name in names]


def make_list(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def problems(playlist: Path) -> list[str]:
    """What is wrong with each song of the list; nothing with those that are well."""
    return [str(song.problem or "") for song in playlist_songs(playlist)]


def test_a_playlist_stands_for_its_songs_in_their_order_and_once(tmp_path: Path) -> None:
    b, a = make_songs(tmp_path / "music", "b.wav", "cd 1/a.wav")
    content = f"#EXTM3U\n#EXTINF:12,A - B\nmusic/b.wav\n\n{a}\n# no.wav\n./music/../music/b.wav\n"
    found = discover([make_list(tmp_path / "party.m3u8", content), b])
    assert found.songs == (Song(b), Song(a))
    assert all(song.look is not None for song in found.songs)


@pytest.mark.parametrize("name", ["party.m3u", "party.M3U8"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_text_from_other_machines(tmp_path: Path, name: str, encoding: str, end: str) -> None:
    songs = make_songs(tmp_path, "Zoë/Für Elise.wav", "Zoë/naïve.wav")
    lines = ["#EXTM3U", "Zoë\\Für Elise.wav", "  Zoë/naïve.wav ", ""]
    content = end.join(lines).encode(encoding)
    found = discover([make_list(tmp_path / name, content)])
    assert [song.path for song in found.songs] == songs


def test_accents_in_either_spelling(tmp_path: Path) -> None:
    for form, other in (("NFC", "NFD"), ("NFD", "NFC")):
        (song,) = make_songs(tmp_path / form, unicodedata.normalize(form, "Björk.wav"))  # type: ignore[arg-type]
        named = unicodedata.normalize(other, f"{form}/Björk.wav")  # type: ignore[arg-type]
        (found,) = playlist_songs(make_list(tmp_path / "a.m3u8", named))
        assert found.problem is None
        assert found.path.samefile(song)


@pytest.mark.skipif(os.name == "nt", reason="names of bytes")
def test_a_name_of_bytes_in_a_list_that_mixes_encodings(tmp_path: Path) -> None:
    songs = [tmp_path / os.fsdecode(name) for name in (b"Zo\xeb.wav", "Zoë 2.wav".encode())]
    for song in songs:
        write_sndfile(tmp_path / "x.wav", tone(50)).rename(song)
    playlist = make_list(tmp_path / "a.m3u", b"Zo\xeb.wav\nZo\xc3\xab 2.wav\n")
    assert [song.path for song in playlist_songs(playlist)] == songs


def test_addresses_of_this_machine_are_files(tmp_path: Path) -> None:
    (song,) = make_songs(tmp_path, "50% #1 ü?.wav")
    address = song.as_uri()
    assert "%25" in address
    local = address.replace("file://", "file://localhost")
    names = f"{address}\n{local}\n{address.rsplit('/', 1)[1]}\n{song.name}\n"
    found = [song.path for song in playlist_songs(make_list(tmp_path / "a.m3u", names))]
    assert found == [song] * 4


def test_what_cannot_be_taken_names_its_line(tmp_path: Path) -> None:
    make_songs(tmp_path, "a.wav")
    make_list(tmp_path / "other.m3u", "a.wav")
    (tmp_path / "empty.wav").touch()
    playlist = make_list(
        tmp_path / "a.m3u",
        "#EXTM3U\ngone.mp3\na.wav\nhttps://a.org/b.mp3?c\nother.m3u\nC:\\Music\\a.mp3\n"
        "empty.wav\nfile://server/a.wav\n.\n",
    )
    assert [text.replace(f"{tmp_path}/", "") for text in problems(playlist)] == [
        "gone.mp3 does not exist. Line 2 of a.m3u names it. Check the spelling and the folder.",
        "",
        "https://a.org/b.mp3?c is an address on the network (a URL), and no file. Line 4 of a.m3u "
        "names it. Download the song first, and name the file.",
        "other.m3u is itself a list, which is not followed. Line 5 of a.m3u names it. Name it on "
        "the command line.",
        "C:\\Music\\a.mp3 does not exist. Line 6 of a.m3u names it. Check the spelling and the "
        "folder.",
        "empty.wav is empty (0 bytes). Line 7 of a.m3u names it. Copy or download it again.",
        "file://server/a.wav is an address on the network (a URL), and no file. Line 8 of a.m3u "
        "names it. Download the song first, and name the file.",
        f"{tmp_path} is a folder. Line 9 of a.m3u names it. Name the audio files in it.",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty (0 bytes)."),
        (b"#EXTM3U\n\n", "names no songs."),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:9\na.ts\n", "but of the pieces of a stream (HLS)."),
        (b"a.wav\n" * 20_001, "names 20001 files. Split it into lists of 20000."),
        (b"#" * (9 << 20), "it has more than 8388608 bytes"),
    ],
)
def test_a_list_that_is_refused_as_a_whole(tmp_path: Path, content: bytes, message: str) -> None:
    (problem,) = problems(make_list(tmp_path / "a.m3u", content))
    assert "a.m3u " in problem
    assert message in problem


def test_lists_of_other_kinds_and_lists_that_are_songs(tmp_path: Path) -> None:
    (song,) = make_songs(tmp_path, "a.wav")
    song = song.rename(tmp_path / "a.m3u")
    (good,) = discover([song]).songs
    assert good.problem is None
    assert good.look is not None
    (bad,) = discover([make_list(tmp_path / "a.pls", "[playlist]")]).songs
    assert "a.pls is a playlist of a kind that is not read. Save it as .m3u8" in str(bad.problem)
    (gone,) = discover([tmp_path / "gone.m3u"]).songs
    assert "gone.m3u does not exist" in str(gone.problem)


@pytest.mark.parametrize("name", ["a.m3u", "a.M3U8", "a.cue", "a.pls"])
def test_where_a_song_is_expected_a_list_is_said_to_be_one(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioReadError, match=r"is not audio, but a list of songs\. Name the songs"):
        look(make_list(tmp_path / name, "a.wav"))


def test_a_pipe_in_place_of_a_list_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.m3u")
    assert "is not a regular file" in problems(tmp_path / "a.m3u")[0]


def test_a_list_of_any_length_is_bounded_in_what_it_says(tmp_path: Path) -> None:
    playlist = make_list(tmp_path / "a.m3u", f"{'x' * 100_000}\nhttps://{'y' * 100_000}\n")
    assert all(len(problem) < 10_000 for problem in problems(playlist))


def test_lists_in_folders_are_not_followed(tmp_path: Path) -> None:
    inside, _ = make_songs(tmp_path, "album/a.wav", "b.wav")
    make_list(tmp_path / "album" / "a.m3u", "../b.wav")
    found = discover([tmp_path / "album"])
    assert [song.path for song in found.songs] == [inside]
    assert found.num_skipped == 1
