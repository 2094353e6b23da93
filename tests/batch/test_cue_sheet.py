from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stemsplit.audio.decode.damage import Damage, Loss
from stemsplit.audio.source import look, read_blocks
from stemsplit.audio.stretch import Stretch
from stemsplit.batch.cue_sheet import cuts_a_file, sheet_songs
from stemsplit.batch.discover import discover
from stemsplit.batch.song import Song
from stemsplit.errors import AudioReadError
from tests.audio.songs import tone, write_sndfile

FRAME = 588
"""Samples of a CD frame at 44100 Hz."""

ALBUM = """\
REM GENRE "Art Rock"
REM DATE 1999
REM COMMENT "ExactAudioCopy v0.99"
PERFORMER "The Band"
TITLE "The Album"
FILE "album.wav" WAVE
  TRACK 01 AUDIO
    TITLE "Zoë's First"
    ISRC GBAYE6800123
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "Say "No""
    PERFORMER "A Guest"
    INDEX 00 00:00:20
    INDEX 01 00:00:30
  TRACK 03 AUDIO
    FLAGS DCP
    PREGAP 00:02:00
    INDEX 01 00:00:45
    INDEX 02 00:00:50
"""


def make_sheet(folder: Path, text: str | bytes = ALBUM, name: str = "album.cue") -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def make_song(path: Path, num_frames: int = 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_sndfile(path, tone(num_frames * FRAME), subtype="PCM_16")


def problem_of(song: Song) -> str:
    return str(song.problem or "")


def parts(songs: list[Song]) -> list[tuple[str, int, int | None]]:
    """The file of each track, and where it begins and ends, in CD frames."""
    return [
        (song.path.name, song.track.stretch.start, song.track.stretch.stop)
        for song in songs
        if song.track is not None
    ]


def test_a_sheet_cuts_its_file_into_tracks(tmp_path: Path) -> None:
    audio, sheet = make_song(tmp_path / "album.wav"), make_sheet(tmp_path)
    songs = list(discover([sheet, sheet]).songs)
    assert [song.input for song in songs] == [
        sheet / "01 Zoë's First",
        sheet / 'Say "No"'.join(["02 ", ""]),
        sheet / "Track 03",
    ]
    assert parts(songs) == [
        ("album.wav", 0, 30),
        ("album.wav", 30, 45),
        ("album.wav", 45, None),
    ]
    assert [song.info and song.info.num_samples for song in songs] == [17640, 8820, 8820]
    assert [song.problem for song in songs] == [None] * 3
    assert {song.root for song in songs} == {"album"}
    assert len({song.place for song in songs} | {Song(audio).place}) == 4
    assert len({song.id for song in songs}) == 3
    first, second, _ = (song.track for song in songs)
    assert first is not None
    assert second is not None
    assert first.tags == {
        "genre": ("Art Rock",),
        "date": ("1999",),
        "albumartist": ("The Band",),
        "artist": ("The Band",),
        "album": ("The Album",),
        "tracknumber": ("1",),
        "tracktotal": ("3",),
        "title": ("Zoë's First",),
        "isrc": ("GBAYE6800123",),
    }
    assert second.tags["artist"] == ("A Guest",)
    assert second.tags["title"] == ('Say "No"',)


@pytest.mark.parametrize("sample_rate", [8000, 44100, 48000, 96000])
def test_nothing_is_lost_where_tracks_meet(tmp_path: Path, sample_rate: int) -> None:
    samples = tone(sample_rate * 2, sample_rate=sample_rate)
    path = write_sndfile(tmp_path / "a.wav", samples, sample_rate=sample_rate, subtype="FLOAT")
    starts = [0, 1, 17, 70, 149]
    cuts = [
        Stretch(start=start, stop=stop)
        for start, stop in zip(starts, [*starts[1:], None], strict=True)
    ]
    blocks = [torch.cat(list(read_blocks(path, stretch=stretch)), dim=-1) for stretch in cuts]
    np.testing.assert_array_equal(torch.cat(blocks, dim=-1), samples)
    assert blocks[1].shape[-1] == round(17 * sample_rate / 75) - round(sample_rate / 75)


def test_the_length_of_a_part_is_what_file_and_sheet_say(tmp_path: Path) -> None:
    info = look(make_song(tmp_path / "a.wav")).info
    unknown = replace(info, num_samples=None)
    cuts = [
        Stretch(start=10, stop=20),
        Stretch(start=50, stop=70),
        Stretch(start=50),
        Stretch(start=70),
    ]
    assert [stretch.of(info).num_samples for stretch in cuts] == [5880, 5880, 5880, 0]
    assert [stretch.of(unknown).num_samples for stretch in cuts] == [5880, 11760, None, None]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_sheets_of_other_machines(tmp_path: Path, encoding: str, end: str) -> None:
    make_song(tmp_path / "zoë" / "an album.wav")
    text = ALBUM.replace('"album.wav"', '"zoë\\an album.wav"').replace("\n", end)
    songs = list(sheet_songs(make_sheet(tmp_path, text.encode(encoding), "A.CUE")))
    assert [song.problem for song in songs] == [None] * 3
    assert songs[0].name == "01 Zoë's First"


def test_a_sheet_in_shift_jis(tmp_path: Path) -> None:
    make_song(tmp_path / "album.wav")
    text = ALBUM.replace("Zoë's First", "さくらの歌").encode("cp932", "ignore")
    assert next(sheet_songs(make_sheet(tmp_path, text))).name == "01 さくらの歌"


def test_several_files_and_gaps_at_the_end_of_the_one_before(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        make_song(tmp_path / f"{number}.wav")
    text = (
        'FILE "1.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nTRACK 02 AUDIO\nINDEX 00 00:00:50\n'
        "FILE 2.wav WAVE\nINDEX 01 00:00:00\nTRACK 03 AUDIO\nINDEX 01 00:00:30\n"
        "TRACK 04 MODE1/2352\nINDEX 01 00:00:40\nFILE 3.wav WAVE\nTRACK 05 AUDIO\n\tINDEX 1 0:0:9\n"
    )
    songs = list(sheet_songs(make_sheet(tmp_path, text)))
    assert parts(songs) == [
        ("1.wav", 0, None),
        ("2.wav", 0, 30),
        ("2.wav", 30, 40),
        ("3.wav", 9, None),
    ]
    assert songs[0].track is not None
    assert songs[0].track.tags["tracktotal"] == ("4",)
    assert [note.replace(f"{tmp_path}/", "") for note in songs[0].track.notes] == [
        "Track 04 of album.cue: data, no audio, and passed over."
    ]


def test_one_file_named_anew_for_each_track(tmp_path: Path) -> None:
    make_song(tmp_path / "a.wav")
    text = "".join(
        f'FILE "a.wav" WAVE\nTRACK 0{n} AUDIO\nINDEX 01 00:00:{n * 10}\n' for n in (1, 2, 3)
    )
    songs = list(sheet_songs(make_sheet(tmp_path, text)))
    assert parts(songs) == [("a.wav", 10, 20), ("a.wav", 20, 30), ("a.wav", 30, None)]


def test_a_file_that_was_packed_afterwards_is_taken_and_named(tmp_path: Path) -> None:
    make_song(tmp_path / "album.flac")
    sheet = make_sheet(tmp_path)
    found = discover([sheet])
    assert {song.path for song in found.songs} == {tmp_path / "album.flac"}
    assert found.notes == [
        f"{sheet} is about album.wav, which is not there; {tmp_path}/album.flac is taken for it."
    ]
    # Also one that has the name of the sheet, but not one of several.
    other = make_sheet(tmp_path, ALBUM.replace("album.wav", "CDImage.ape"))
    assert {song.path.name for song in sheet_songs(other)} == {"album.flac"}
    make_song(tmp_path / "album.aiff")
    (song,) = sheet_songs(sheet)
    assert f"CDImage.ape does not exist. Line 6 of {sheet} names it." in problem_of(song)


def test_a_long_start_that_is_in_no_track_is_named(tmp_path: Path) -> None:
    make_song(tmp_path / "a.wav", 75 * 8)
    text = 'FILE "a.wav" WAVE\nTRACK 01 AUDIO\nINDEX 00 00:00:00\nINDEX 01 00:07:00\n'
    sheet = make_sheet(tmp_path, text)
    assert discover([sheet]).notes == [
        f"The first 7.00 s of a.wav are in no track of {sheet}: passed over."
    ]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            'FILE "gone.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\nTRACK 02 AUDIO\n'
            'INDEX 01 00:00:10\nFILE "album.wav" WAVE\nTRACK 03 AUDIO\nINDEX 01 00:00:00\n',
            ["gone.wav does not exist. Line 1 of album.cue names it.", ""],
        ),
        (
            'FILE "https://example.org/a.mp3" MP3\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n',
            ["https://example.org/a.mp3 is an address on the network (a URL), and no file. Line 1"],
        ),
        (
            'FILE "disc.bin" BINARY\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n',
            ["disc.bin is the image of a disc, and no audio file. Line 1 of album.cue names it."],
        ),
        (
            'FILE "album.wav" WAVE\nTRACK 01 AUDIO\nTRACK 02 AUDIO\nINDEX 01 00:00:20\n'
            "TRACK 03 AUDIO\nINDEX 01 00:00:10\nTRACK 04 AUDIO\nINDEX 01 nonsense\n"
            "TRACK 05 AUDIO\nINDEX 01 00:00:75\n",
            [
                "Track 01 of album.cue (line 2) has no INDEX 01 with a time.",
                "Track 02 of album.cue (line 3) ends before it begins.",
                "",
                "Track 04 of album.cue (line 7) has no INDEX 01 with a time.",
                "Track 05 of album.cue (line 9) has no INDEX 01 with a time.",
            ],
        ),
        ("", ["album.cue is empty (0 bytes)."]),
        ("Nothing of the kind.\n", ["album.cue names no tracks of any file."]),
        ("TRACK 01 AUDIO\nINDEX 01 00:00:00\n", ["album.cue names no tracks of any file."]),
        (
            'FILE "album.wav" WAVE\nTRACK 1 AUDIO\nTRACK 01 AUDIO\n',
            ["album.cue has a second track 1 in line 3."],
        ),
        ('FILE "album.wav" WAVE\nTRACK one AUDIO\n', ["album.cue has a track 'one' in line 2."]),
        (
            "TRACK 1\n" + "FILE a\n" * 1001,
            ["album.cue names 1001 files."],
        ),
        ("REM\n" * 300_000, ["cannot be read: it has more than 1048576 bytes"]),
    ],
)
def test_what_cannot_be_cut_out_fails_alone(tmp_path: Path, text: str, messages: list[str]) -> None:
    make_song(tmp_path / "album.wav")
    (tmp_path / "disc.bin").write_bytes(b"disc")
    problems = [problem_of(song) for song in sheet_songs(make_sheet(tmp_path, text))]
    assert len(problems) == len(messages)
    for problem, message in zip(problems, messages, strict=True):
        assert message in problem.replace(f"{tmp_path}/", "")
        assert bool(message) == bool(problem)


def test_titles_become_names_of_files(tmp_path: Path) -> None:
    make_song(tmp_path / "a.wav")
    titles = ["a/b\\c\x1b[31m", "x" * 5000, "é" * 5000, '""', "..", "a\tb"]
    text = 'FILE "a.wav" WAVE\n' + "".join(
        f'TRACK {n:02d} AUDIO\nTITLE "{title}"\nINDEX 01 00:00:{n}\n'
        for n, title in enumerate(titles, start=1)
    )
    songs = list(sheet_songs(make_sheet(tmp_path, text)))
    names = [song.name for song in songs]
    assert names == [
        "01 a/b\\c [31m",
        f"02 {'x' * 120}",
        f"03 {'é' * 60}",
        '04 ""',
        "05 ..",
        "06 a b",
    ]
    assert all(song.input.parent == tmp_path / "album.cue" for song in songs)


def test_a_sheet_is_no_song_and_a_song_no_sheet(tmp_path: Path) -> None:
    song = make_song(tmp_path / "a.wav").rename(tmp_path / "a.cue")
    (found,) = discover([song]).songs
    assert found.track is None
    assert found.look is not None
    os.mkfifo(tmp_path / "b.cue")
    assert "is not a regular file" in problem_of(next(sheet_songs(tmp_path / "b.cue")))


def test_sheets_in_folders_are_told_of_and_not_followed(tmp_path: Path) -> None:
    audio = make_song(tmp_path / "album" / "album.wav")
    sheet = make_sheet(tmp_path / "album")
    whole = 'FILE "album.wav" WAVE\nTRACK 01 AUDIO\nINDEX 01 00:00:00\n'
    others = [
        make_sheet(tmp_path / "album", whole, "whole.cue"),
        make_sheet(tmp_path / "album", ALBUM.replace("album.wav", "gone.ape"), "gone.cue"),
        make_sheet(tmp_path / "album", "junk", "junk.cue"),
    ]
    found = discover([tmp_path / "album"])
    assert found.songs == (Song(audio),)
    assert found.sheets == (sheet,)
    assert not any(map(cuts_a_file, others))
    assert found.num_skipped == 3


def test_what_is_wrong_elsewhere_in_the_file_is_no_fault_of_a_part(tmp_path: Path) -> None:
    samples = tone(60 * FRAME)
    samples[0, 100] = np.nan
    path = write_sndfile(tmp_path / "a.wav", samples, subtype="FLOAT")
    with pytest.raises(AudioReadError, match=r"the first at 0\.002 seconds"):
        list(read_blocks(path, stretch=Stretch(start=0, stop=30)))
    damage = Damage()
    (block,) = read_blocks(path, stretch=Stretch(start=30, stop=45), damage=damage)
    assert block.shape == (2, 15 * FRAME)
    assert (damage.num_samples, damage.missing_samples) == (15 * FRAME, 0)
    list(read_blocks(path, stretch=Stretch(start=45, stop=61), damage=damage))
    assert (damage.num_samples, damage.missing_samples) == (15 * FRAME, FRAME)
    with pytest.raises(AudioReadError, match=r"a\.wav ends before 0\.80 s, where this part"):
        list(read_blocks(path, stretch=Stretch(start=60)))


def test_losses_are_those_of_the_part() -> None:
    damage = Damage(losses=[Loss(10, 20), Loss(50, 20), Loss(60, 0), Loss(90, 20), Loss(200, 5)])
    damage.cut(60, 40)
    assert damage.losses == [Loss(0, 10), Loss(0, 0), Loss(30, 10)]
    assert damage.num_samples == 40
