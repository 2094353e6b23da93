"""Tags and covers, from every format that mutagen reads into every format that stemsplit writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import mutagen
import numpy as np
import pytest
import soundfile
import torch
from mutagen.apev2 import APEv2
from mutagen.asf import ASF, ASFByteArrayAttribute
from mutagen.flac import FLAC
from mutagen.id3 import APIC, COMM, ID3, RVA2, TIT2, TXXX, UFID
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4

from stemsplit.audio.source import read_blocks
from stemsplit.audio.tags.song_tags import (
    FIELDS,
    FRONT_COVER,
    MAX_FIELD_CHARS,
    MAX_PICTURE_BYTES,
    Picture,
    Tags,
    make_tags,
)
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.audio.tags.tag_writer import write_tags
from tests.audio.songs import tone
from tests.audio.tagged import JPEG, OUTPUTS, PNG, RATE, SONG, container_of, make_file


def decode(path: Path) -> Any:
    return torch.cat(list(read_blocks(path)), dim=-1).numpy()


@pytest.mark.parametrize("kind", OUTPUTS)
def test_everything_survives_and_the_sound_is_the_same(tmp_path: Path, kind: str) -> None:
    path = make_file(tmp_path, kind)
    before = decode(path)
    assert write_tags(path, container_of(kind), SONG)
    assert np.array_equal(before, decode(path))
    # The covers of MP4 have no kind: all are front covers.
    pictures = SONG.pictures
    if isinstance(mutagen.File(path), MP4):
        pictures = tuple(replace(picture, kind=FRONT_COVER) for picture in pictures)
    assert read_tags(path) == replace(SONG, pictures=pictures)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_same_tags_give_the_same_bytes(tmp_path: Path, kind: str) -> None:
    path = make_file(tmp_path, kind)
    plain = path.read_bytes()
    write_tags(path, container_of(kind), SONG)
    tagged = path.read_bytes()
    assert tagged != plain
    path.write_bytes(plain)
    write_tags(path, container_of(kind), SONG)
    assert path.read_bytes() == tagged


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "mp3", "ogg", "opus"])
def test_libsndfile_still_reads_a_tagged_file(tmp_path: Path, kind: str) -> None:
    path = make_file(tmp_path, kind)
    before, _ = soundfile.read(path)
    write_tags(path, container_of(kind), SONG)
    after, rate = soundfile.read(path)
    assert rate == RATE
    assert np.array_equal(before, after)


def test_windows_media_tags_are_read(tmp_path: Path) -> None:
    path = make_file(tmp_path, "wma")
    file = ASF(path)
    for name, names in FIELDS.items():
        if names.asf:
            file[names.asf] = list(SONG.text[name])
    file["WM/TrackNumber"], file["WM/PartOfSet"] = "3/12", "1/2"
    picture = (
        bytes([FRONT_COVER])
        + len(JPEG).to_bytes(4, "little")
        + "image/jpeg\0".encode("utf-16-le")
        + "a cover\0".encode("utf-16-le")
        + JPEG
    )
    file["WM/Picture"] = [ASFByteArrayAttribute(picture)]
    file.save()
    assert read_tags(path) == replace(SONG, pictures=SONG.pictures[:1])


def test_ape_tags_are_read(tmp_path: Path) -> None:
    path = make_file(tmp_path, "wv").rename(tmp_path / "song.wv")
    tags = APEv2()
    for name, names in FIELDS.items():
        if names.ape:
            tags[names.ape[0].upper()] = list(SONG.text[name])
    tags["Track"], tags["Disc"] = "3/12", "1/2"
    tags["Cover Art (Front)"] = b"cover.jpg\0" + JPEG
    tags["replaygain_track_gain"] = "-7.5 dB"
    tags.save(path)
    assert read_tags(path) == replace(SONG, pictures=SONG.pictures[:1])


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_title_without_anything_else_is_enough(tmp_path: Path, kind: str) -> None:
    path = make_file(tmp_path, kind)
    assert read_tags(path) == Tags()
    write_tags(path, container_of(kind), Tags().titled("my song", "vocals"))
    assert read_tags(path).text == {"title": ("my song (vocals)",)}
    by_encoder = {"©too", "encoder"}
    assert len(set(mutagen.File(path).tags.keys()) - by_encoder) == 1


def test_the_stem_follows_the_title() -> None:
    assert SONG.titled("file", "no_vocals").text["title"] == ("Für Élise – 🎹 (no_vocals)",)
    assert SONG.titled("file").text["title"] == SONG.text["title"]
    assert Tags().titled("file").text["title"] == ("file",)
    # Undecodable bytes of a file name, as Python sees them.
    assert Tags().titled("caf\udce9", "bass").text["title"] == ("caf? (bass)",)


def test_what_is_true_of_the_full_mix_alone_is_not_copied(tmp_path: Path) -> None:
    path = make_file(tmp_path, "mp3")
    id3 = ID3()
    id3.add(TIT2(encoding=3, text="Song"))
    id3.add(RVA2(desc="track", channel=1, gain=-6.5, peak=0.9))
    for name in ("replaygain_track_gain", "R128_TRACK_GAIN", "MusicBrainz Track Id", "Acoustid Id"):
        id3.add(TXXX(encoding=3, desc=name, text="-6.50 dB"))
    for name in ("iTunNORM", "iTunSMPB"):
        id3.add(COMM(encoding=3, lang="eng", desc=name, text=" 00000000 00000210"))
    id3.add(COMM(encoding=3, lang="eng", desc="", text="a comment"))
    id3.add(UFID(owner="http://musicbrainz.org", data=b"0123"))
    id3.save(path)
    assert read_tags(path).text == {"title": ("Song",), "comment": ("a comment",)}

    path = make_file(tmp_path, "flac")
    flac = FLAC(path)
    flac["title"], flac["replaygain_album_peak"], flac["musicbrainz_trackid"] = "Song", "1", "ab"
    flac.save()
    assert read_tags(path).text == {"title": ("Song",)}


def test_gapless_data_of_the_encoder_is_kept(tmp_path: Path) -> None:
    path = make_file(tmp_path, "m4a")
    file = MP4(path)
    smpb = "----:com.apple.iTunes:iTunSMPB"
    file[smpb] = b" 00000000 00000840 000001CA 00000000003F31F6"
    file.save()
    write_tags(path, "m4a", SONG)
    assert bytes(MP4(path)[smpb][0]).startswith(b" 00000000 00000840")


@pytest.mark.parametrize(
    ("kind", "damage"),
    [
        ("mp3", lambda data: data[:30] + b"\xff" * 40 + data[70:]),
        ("flac", lambda data: data[:60] + b"\xff" * 200 + data[260:]),
        ("m4a", lambda data: data[: len(data) - 300]),
        ("aiff", lambda data: data[: len(data) - 300]),
    ],
)
def test_damaged_tags_are_a_warning_at_most(tmp_path: Path, kind: str, damage: Any) -> None:
    path = make_file(tmp_path, kind)
    write_tags(path, container_of(kind), SONG)
    path.write_bytes(damage(path.read_bytes()))
    tags = read_tags(path)
    assert tags != SONG
    for warning in tags.warnings:
        assert "could not be read" in warning or "was left out" in warning


def test_a_warning_names_the_file_whose_tags_are_damaged(tmp_path: Path) -> None:
    path = make_file(tmp_path, "flac")
    write_tags(path, "flac", SONG)
    data = path.read_bytes()
    path.write_bytes(data[:4] + b"\x04\xff\xff\xff" + data[8:])
    tags = read_tags(path)
    assert tags.text == {}
    assert [".stemsplit-flac.part could not be read" in text for text in tags.warnings] == [True]


def test_a_huge_picture_is_left_out_with_a_warning(tmp_path: Path) -> None:
    path = make_file(tmp_path, "mp3")
    id3 = ID3()
    huge = JPEG + bytes(MAX_PICTURE_BYTES)
    id3.add(APIC(mime="image/jpeg", type=FRONT_COVER, desc="a", data=huge))
    id3.add(APIC(mime="image/png", type=4, desc="b", data=PNG))
    id3.save(path)
    tags = read_tags(path)
    assert tags.pictures == (Picture("image/png", 4, PNG),)
    assert tags.warnings == (
        "A picture of 16.0 MB in the source's tags was left out: there is room for 16 MB.",
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_largest_tags_fit_every_format(tmp_path: Path, kind: str) -> None:
    largest = make_tags(
        {name: ["é" * 1_000_000] for name in FIELDS},
        [Picture("image/jpeg", FRONT_COVER, JPEG + bytes(MAX_PICTURE_BYTES - len(JPEG)))],
    )
    assert len(largest.warnings) == len(FIELDS)
    assert "title tag has more than 65536 characters: it was cut" in largest.warnings[0]
    path = make_file(tmp_path, kind)
    before = decode(path)
    write_tags(path, container_of(kind), largest)
    again = read_tags(path)
    assert again.text["title"] == ("é" * MAX_FIELD_CHARS,)
    assert again.pictures == largest.pictures
    assert np.array_equal(before, decode(path))


@pytest.mark.parametrize("kind", OUTPUTS)
def test_nothing_in_a_tag_stops_the_writer(tmp_path: Path, kind: str) -> None:
    odd = make_tags(
        {
            "title": ["\0\x1b[31mred\x07\r\nline \udcff \ufffe"],
            "artist": ["", " ", "A/B", "A/B", "C"],
            "date": ["Summer of 1969"],
            "tracknumber": ["A1/x"],
            "discnumber": ["99999999999999999999"],
            "bpm": ["fast"],
            "genre": ["(17)"],
        },
        [
            Picture("-->", 3, b"http://example.invalid/cover.jpg"),
            Picture("image/x-odd", 99, b"?"),
            Picture("image/jpeg", 3, b""),
        ],
    )
    assert odd.text["title"] == ("[31mred line ? \ufffe",)
    assert odd.text["artist"] == ("A/B", "C")
    assert [picture.kind for picture in odd.pictures] == [0]
    path = make_file(tmp_path, kind)
    write_tags(path, container_of(kind), odd)
    again = read_tags(path)
    assert again.text["title"] == odd.text["title"]
    assert again.text["artist"] in (("A/B", "C"), ("A/B/C",))
    assert again.text["date"] in (("Summer of 1969",), ("1969",))
    assert again.warnings == ()


def test_an_rf64_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "long.part"
    soundfile.write(path, tone(100).T, RATE, format="RF64", subtype="PCM_24")
    before = path.read_bytes()
    assert not write_tags(path, "wav", SONG)
    assert path.read_bytes() == before


def test_a_wav_near_the_limit_of_riff_is_not_pushed_over_it(tmp_path: Path) -> None:
    path = make_file(tmp_path, "wav")
    with path.open("r+b") as file:  # sparse: it takes no room on the disk
        file.truncate(0xFFFF_0000)
    assert not write_tags(path, "wav", SONG)


def test_two_spellings_of_a_name_are_not_two_values(tmp_path: Path) -> None:
    path = make_file(tmp_path, "flac")
    flac = FLAC(path)
    flac["YEAR"], flac["DATE"], flac["Album Artist"] = "1970", "1970-05-01", "Band"
    flac["TRACKNUMBER"], flac["TOTALTRACKS"] = "07", "9"
    flac.save()
    assert read_tags(path).text == {
        "albumartist": ("Band",),
        "date": ("1970-05-01",),
        "tracknumber": ("07",),
        "tracktotal": ("9",),
    }


def test_mp3_gets_id3_version_2_3(tmp_path: Path) -> None:
    path = make_file(tmp_path, "mp3")
    write_tags(path, "mp3", SONG)
    assert MP3(path).tags.version == (2, 3, 0)
