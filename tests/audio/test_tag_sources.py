"""Tags from wherever they are in a file, as ffmpeg and other programs put them there."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen.apev2 import APEv2
from mutagen.id3 import ID3, TIT2, MakeID3v1

from stemsplit.audio.tags.song_tags import FRONT_COVER, Picture
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.audio.tags.tag_text import decode_text
from tests.audio.hostile import wave64_texts
from tests.audio.songs import tone, write_pyav, write_sndfile

RATE = 48_000
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))

# As `ffmpeg -metadata` is given them.
METADATA = {
    "title": "Für Élise 日本 – a title of more than thirty letters",
    "artist": "Ärtist",
    "album": "Albüm",
    "album_artist": "Various",
    "date": "1999",
    "genre": "Rock",
    "track": "3/12",
    "disc": "1/2",
    "composer": "Ludwig",
    "comment": "a comment",
    "copyright": "nobody's",
    "publisher": "Nohl",
    "lyrics": "la la",
    "TBPM": "120",
    "isrc": "DEAB12300001",
}
EVERYTHING = {
    "title": (METADATA["title"],),
    "artist": ("Ärtist",),
    "albumartist": ("Various",),
    "album": ("Albüm",),
    "date": ("1999",),
    "genre": ("Rock",),
    "tracknumber": ("3",),
    "tracktotal": ("12",),
    "discnumber": ("1",),
    "disctotal": ("2",),
    "composer": ("Ludwig",),
    "bpm": ("120",),
    "isrc": ("DEAB12300001",),
    "comment": ("a comment",),
    "copyright": ("nobody's",),
    "publisher": ("Nohl",),
    "lyrics": ("la la",),
}
# What ffmpeg's writers of these formats have no name for.
_INFO = ("albumartist", "discnumber", "disctotal", "composer", "bpm", "isrc", "publisher", "lyrics")
_AIFF = ("artist", "album", "date", "genre", "tracknumber", "tracktotal", *_INFO)
_QUICKTIME = ("tracknumber", "tracktotal", *_INFO)

CONTAINERS = {
    "wav": ("wav", "pcm_s16le", {}, _INFO),
    "rf64": ("wav", "pcm_s16le", {"rf64": "always"}, _INFO),
    "avi": ("avi", "pcm_s16le", {}, _INFO),
    "aiff": ("aiff", "pcm_s16be", {}, _AIFF),
    "aiff with ID3": ("aiff", "pcm_s16be", {"write_id3v2": "1"}, ()),
    "mka": ("matroska", "flac", {}, ()),
    "webm": ("webm", "libopus", {}, ()),
    "mov": ("mov", "alac", {}, _QUICKTIME),
    "mov with keys": ("mov", "alac", {"movflags": "use_metadata_tags"}, ()),
    "mp4": ("mp4", "aac", {}, ("bpm", "isrc", "publisher")),
    "caf": ("caf", "pcm_s16be", {}, ()),
    "au": ("au", "pcm_s16be", {}, (*_INFO, "date", "comment", "copyright")),
    "flac": ("flac", "flac", {}, ()),
    "mp3": ("mp3", "libmp3lame", {"write_id3v1": "1"}, ()),
    "aac": ("adts", "aac", {"write_id3v2": "1"}, ()),
    "tta": ("tta", "tta", {}, ()),
    "wv": ("wv", "wavpack", {}, ()),
    "wma": ("asf", "wmav2", {}, ()),
    "flv": ("flv", "libmp3lame", {}, ()),
}


def write_tagged(
    path: Path, container: str, codec: str, options: dict[str, str], metadata: dict[str, str]
) -> Path:
    """The path of half a second of silence with these tags, by ffmpeg."""
    rate = 44_100 if container == "flv" else RATE
    with av.open(path, "w", format=container, options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout="stereo", bit_rate=128_000)
        file.metadata.update(metadata)
        silence = np.zeros((2, rate // 2), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="stereo")
        frame.sample_rate, frame.time_base, frame.pts = rate, Fraction(1, rate), 0
        context = stream.codec_context
        context.open()
        resampler = av.AudioResampler(
            format=context.format.name, layout="stereo", rate=rate, frame_size=context.frame_size
        )
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_ffmpeg_writes_is_read(tmp_path: Path, name: str) -> None:
    container, codec, options, missing = CONTAINERS[name]
    path = write_tagged(tmp_path / "song", container, codec, options, METADATA)
    tags = read_tags(path)
    assert tags.warnings == ()
    assert tags.text == {key: text for key, text in EVERYTHING.items() if key not in missing}


def test_a_file_without_tags_has_none(tmp_path: Path) -> None:
    for name, (container, codec, options, _) in CONTAINERS.items():
        path = write_tagged(tmp_path / name, container, codec, options, {})
        assert read_tags(path).text == {}, name


@pytest.mark.parametrize("kind", ["mp3", "wv", "tta"])
def test_thirty_letters_do_not_win_over_the_whole_title(tmp_path: Path, kind: str) -> None:
    codec = {"mp3": "libmp3lame", "wv": "wavpack", "tta": "tta"}[kind]
    options = {"id3v2_version": "0"} if kind == "mp3" else {}
    path = write_tagged(tmp_path / "song", kind, codec, options, {})
    tags = APEv2()
    tags["Title"] = METADATA["title"]
    tags.save(path)
    first = ID3()
    first.add(TIT2(encoding=0, text="F\xfcr \xc9lise"))
    old = MakeID3v1({"TIT2": first["TIT2"], "TPE1": TIT2(encoding=0, text="Only Here")})
    with path.open("ab") as file:
        file.write(old)
    assert read_tags(path).text == {"title": (METADATA["title"],), "artist": ("Only Here",)}


def test_id3_wins_over_ape_and_both_are_used(tmp_path: Path) -> None:
    path = write_tagged(tmp_path / "song.mp3", "mp3", "libmp3lame", {}, {"title": "In ID3"})
    tags = APEv2()
    tags["Title"], tags["Artist"] = "In APE", "Band"
    tags["Cover Art (Front)"] = b"cover.png\0" + PNG
    tags.save(path)
    found = read_tags(path)
    assert found.text == {"title": ("In ID3",), "artist": ("Band",)}
    assert found.pictures == (Picture("image/png", FRONT_COVER, PNG),)


def test_an_id3_chunk_wins_over_the_info_list(tmp_path: Path) -> None:
    metadata = {"title": "In the list", "artist": "Band"}
    path = write_tagged(tmp_path / "song.wav", "wav", "pcm_s16le", {}, metadata)
    from mutagen.wave import WAVE

    file = WAVE(path)
    file.add_tags()
    file.tags.add(TIT2(encoding=3, text="In ID3"))
    file.save()
    assert read_tags(path).text == {"title": ("In ID3",), "artist": ("Band",)}


def info_wav(folder: Path, texts: dict[str, bytes]) -> Path:
    path = write_sndfile(folder / "song.wav", tone(100), subtype="PCM_16")
    body = b"INFO"
    for name, text in texts.items():
        body += name.encode() + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2)
    data = path.read_bytes() + b"LIST" + struct.pack("<I", len(body)) + body
    path.write_bytes(data[:4] + struct.pack("<I", len(data) - 8) + data[8:])
    return path


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Für Élise".encode(), "Für Élise"),
        ("Für Élise – €".encode("cp1252"), "Für Élise – €"),
        ("Amélie".encode("latin-1"), "Amélie"),
        ("Café del Mar".encode("latin-1"), "Café del Mar"),
        ("さくら".encode("cp932"), "さくら"),
        ("カラオケ Mix".encode("cp932"), "カラオケ Mix"),
        ("東京".encode("cp932"), "東京"),
        ("東京".encode()[:-1], "東"),
        ("Café".encode("latin-1"), "Café"),
        ("\ufeff東京".encode(), "東京"),
        ("東京".encode("utf-16"), "東京"),
        ("東京 A".encode("utf-16") + b"\0\0", "東京 A"),
        ("東京".encode("utf-8-sig"), "東京"),
        ("東京".encode("utf-8-sig")[:-1], "東"),
        (b"ends\0\0", "ends"),
        (b"\x81", "\ufffd"),
        (b"", ""),
    ],
)
def test_texts_of_unknown_encoding(tmp_path: Path, content: bytes, text: str) -> None:
    assert decode_text(content) == text
    if b"\0" not in content:
        expected = {"title": (text,)} if text else {}
        assert read_tags(info_wav(tmp_path, {"INAM": content})).text == expected


@given(st.binary(max_size=50))
def test_any_bytes_become_text(content: bytes) -> None:
    decode_text(content).encode()


def test_the_source_of_a_wav_is_no_isrc(tmp_path: Path) -> None:
    path = info_wav(tmp_path, {"ISRC": b"Abbey Road Studios", "INAM": b"Song"})
    assert read_tags(path).text == {"title": ("Song",)}


def test_texts_of_wave64(tmp_path: Path) -> None:
    path = write_sndfile(tmp_path / "song.w64", tone(100), container="W64", subtype="PCM_16")
    song = path.read_bytes()
    start = song.index(b"data\xf3\xac")
    texts = wave64_texts([(b"INAM", "Für Élise"), (b"IART", "日本の")])
    path.write_bytes(song[:start] + texts + song[start:])
    assert read_tags(path).text == {
        "title": ("Für Élise",),
        "artist": ("日本",),
    }  # as ffmpeg cuts it


def element(number: str, body: bytes) -> bytes:
    return bytes.fromhex(number) + (1 << 56 | len(body)).to_bytes(8, "big") + body


def matroska_tag(level: int, **texts: str) -> bytes:
    simple = b"".join(
        element("67C8", element("45A3", name.encode()) + element("4487", text.encode()))
        for name, text in texts.items()
    )
    return element("7373", element("63C0", element("68CA", bytes([level]))) + simple)


def into_segment(path: Path, extra: bytes) -> None:
    song = path.read_bytes()
    start = song.index(bytes.fromhex("18538067")) + 4
    num_size = 9 - song[start].bit_length()
    # The length of the segment becomes unknown.
    path.write_bytes(song[:start] + b"\x01" + b"\xff" * 7 + extra + song[start + num_size :])


@pytest.mark.parametrize("order", [1, -1])
def test_matroska_says_what_is_true_of_the_album_and_of_the_song(
    tmp_path: Path, order: int
) -> None:
    path = write_tagged(tmp_path / "song.mka", "matroska", "flac", {}, {})
    song = matroska_tag(30, TITLE="Song", ARTIST="Singer", PART_NUMBER="3")
    album = matroska_tag(
        50, TITLE="Album", ARTIST="Band", DATE_RELEASED="1999", TOTAL_PARTS="12", GENRE="Rock"
    )
    disc = matroska_tag(40, TITLE="The second disc", PART_NUMBER="2")
    into_segment(path, element("1254C367", b"".join([song, album, disc][::order])))
    assert read_tags(path).text == {
        "title": ("Song",),
        "artist": ("Singer",),
        "albumartist": ("Band",),
        "album": ("Album",),
        "date": ("1999",),
        "genre": ("Rock",),
        "tracknumber": ("3",),
        "tracktotal": ("12",),
        "discnumber": ("2",),
    }


def test_an_attached_picture_of_matroska_is_the_cover(tmp_path: Path) -> None:
    path = write_tagged(tmp_path / "song.mka", "matroska", "flac", {}, {"title": "Song"})

    def attached(name: str, mime: str, data: bytes, number: int) -> bytes:
        parts = [
            element("466E", name.encode()),
            element("4660", mime.encode()),
            element("465C", data),
            element("46AE", bytes([number])),
        ]
        return element("61A7", b"".join(parts))

    files = [
        attached("notes.txt", "text/plain", b"notes", 1),
        attached("back.png", "image/png", PNG[:100], 2),
        attached("cover.png", "image/png", PNG, 3),
    ]
    into_segment(path, element("1941A469", b"".join(files)))
    found = read_tags(path)
    assert found.warnings == ()
    assert found.text == {"title": ("Song",)}
    assert found.pictures == (
        Picture("image/png", FRONT_COVER, PNG),
        Picture("image/png", 0, PNG[:100]),
    )


def test_texts_under_a_free_name_are_read_where_a_field_is_empty(tmp_path: Path) -> None:
    path = write_pyav(tmp_path / "song.mp3", tone(5000), codec="libmp3lame", container="mp3")
    from mutagen.id3 import COMM, TXXX

    tags = ID3()
    tags.add(TXXX(encoding=3, desc="comment", text="as ffmpeg writes it"))
    tags.add(TXXX(encoding=3, desc="ALBUM ARTIST", text="Band"))
    tags.save(path)
    assert read_tags(path).text == {"comment": ("as ffmpeg writes it",), "albumartist": ("Band",)}
    tags.add(COMM(encoding=3, lang="eng", desc="", text="as it should be"))
    tags.save(path)
    assert read_tags(path).text["comment"] == ("as it should be",)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_all_versions_of_id3_are_read(tmp_path: Path, version: int) -> None:
    path = write_pyav(
        tmp_path / "song.mp3", tone(5000), codec="libmp3lame", options={"id3v2_version": "0"}
    )
    if version == 2:
        texts = {b"TT2": b"Song", b"TP1": b"Band", b"TYE": b"1999", b"COM": b"eng\0a comment"}
        frames = b"".join(
            name + struct.pack(">I", len(text) + 1)[1:] + b"\0" + text
            for name, text in texts.items()
        )
        head = b"ID3\2\0\0" + bytes([0, 0, len(frames) >> 7, len(frames) & 127])
        path.write_bytes(head + frames + path.read_bytes())
    else:
        from mutagen.id3 import COMM, TDRC, TPE1

        tags = ID3()
        for frame in (
            TIT2(encoding=1, text="Song"),
            TPE1(encoding=1, text="Band"),
            TDRC(encoding=1, text="1999"),
            COMM(encoding=1, lang="eng", desc="", text="a comment"),
        ):
            tags.add(frame)
        if version == 3:
            tags.update_to_v23()
        tags.save(path, v2_version=version)
    assert read_tags(path).text == {
        "title": ("Song",),
        "artist": ("Band",),
        "date": ("1999",),
        "comment": ("a comment",),
    }
