"""Tags and stem files from the command line to the finished files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import mutagen
import numpy as np
import pytest
from mutagen.flac import FLAC
from mutagen.mp4 import MP4

from stemsplit.audio.tags.song_tags import FRONT_COVER, Picture, make_tags
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.audio.tags.tag_writer import write_tags
from tests.audio.songs import tone, write_sndfile
from tests.cli.conftest import Stemsplit

COVER = Picture("image/jpeg", FRONT_COVER, b"\xff\xd8\xff" + bytes(100))
STEMS = ("drums", "bass", "other", "vocals")


@pytest.fixture
def tagged(workplace: Path) -> Path:
    """Half a second of a song with a title, an artist, a cover and ReplayGain."""
    path = write_sndfile(workplace / "file.flac", tone(22_050), subtype="PCM_16")
    write_tags(path, "flac", make_tags({"title": ["Björk’s 🎵"], "artist": ["A", "B"]}, [COVER]))
    flac = FLAC(path)
    flac["replaygain_track_gain"] = "-7.5 dB"
    flac.save()
    return path


def record(folder: str = "separated/spectral/file") -> Any:
    return json.loads(Path(folder, "stemsplit.json").read_text())


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3"])
def test_the_tags_of_the_song_are_in_every_stem(
    stemsplit: Stemsplit, tagged: Path, kind: str
) -> None:
    result = stemsplit(tagged, "-m", "spectral", "--format", kind)
    assert result.exit_code == 0, result.stderr
    for stem in STEMS:
        path = Path(f"separated/spectral/file/{stem}.{kind}")
        tags = read_tags(path)
        assert tags.text["title"] == (f"Björk’s 🎵 ({stem})",)
        assert tags.text["artist"] in (("A", "B"), ("A/B",))
        assert tags.pictures == (COVER,)
        assert "replaygain" not in str(mutagen.File(path).tags).lower()
    # The record is about the files as they are now, with the tags.
    assert "already done" in stemsplit(tagged, "-m", "spectral", "--format", kind).stderr


def test_a_song_without_a_title_gives_its_name(stemsplit: Stemsplit, song: Path) -> None:
    assert stemsplit(song, "-m", "spectral").exit_code == 0
    tags = read_tags(Path("separated/spectral/song/drums.wav"))
    assert tags.text == {"title": ("song (drums)",)}


def test_no_tags_leaves_them_out_and_is_another_result(stemsplit: Stemsplit, tagged: Path) -> None:
    arguments = (tagged, "-m", "spectral", "--format", "flac")
    assert stemsplit(*arguments).exit_code == 0
    drums = Path("separated/spectral/file/drums.flac")
    assert read_tags(drums).text["artist"] == ("A", "B")
    result = stemsplit(*arguments, "--no-tags")
    assert result.exit_code == 0
    assert "already done" not in result.stderr
    assert read_tags(drums).text == {}
    assert not FLAC(drums).pictures


def test_a_song_with_damaged_tags_is_separated_with_a_warning(
    stemsplit: Stemsplit, tagged: Path
) -> None:
    data = tagged.read_bytes()
    at = data.index(b"Bj")  # the length before it, so that the comment is longer than its block
    tagged.write_bytes(data[: at - 10] + b"\xff\xff\xff\x7f" + data[at - 6 :])
    result = stemsplit(tagged, "-m", "spectral")
    assert result.exit_code == 0, result.stderr
    assert "The tags of" in result.stderr
    assert "could not be read" in result.stderr
    assert any("could not be read" in warning for warning in record()["warnings"])
    assert read_tags(Path("separated/spectral/file/bass.wav")).text == {"title": ("file (bass)",)}


@pytest.mark.parametrize("codec", ["aac", "alac"])
def test_a_stem_file_is_one_file_for_the_song(
    stemsplit: Stemsplit, tagged: Path, codec: str
) -> None:
    arguments = (tagged, "-m", "spectral", "--format", "stem.mp4", "--codec", codec)
    result = stemsplit(*arguments)
    assert result.exit_code == 0, result.stderr
    folder = Path("separated/spectral/file")
    assert sorted(path.name for path in folder.iterdir()) == ["file.stem.mp4", "stemsplit.json"]
    path = folder / "file.stem.mp4"
    assert str(path.absolute()) in result.stdout
    with av.open(path) as file:
        assert [stream.codec_context.name for stream in file.streams.audio] == [codec] * 5
        assert {stream.duration for stream in file.streams.audio} == {22_050}
    tags = MP4(path)
    assert (tags["©nam"], tags["©ART"]) == (["Björk’s 🎵"], ["A", "B"])
    assert bytes(tags["covr"][0]) == COVER.data
    assert [output["file"] for output in record()["outputs"]] == ["file.stem.mp4"]
    assert isinstance(record()["gain_db"], float)
    assert "already done" in stemsplit(*arguments).stderr


def test_the_stems_of_a_stem_file_add_up_to_the_song(stemsplit: Stemsplit, song: Path) -> None:
    arguments = ("--format", "stem.mp4", "--codec", "alac", "--sum-to-mix", "--clip", "clamp")
    assert stemsplit(song, "-m", "spectral", *arguments).exit_code == 0
    tracks = []
    for index in range(5):
        with av.open("separated/spectral/song/song.stem.mp4") as file:
            frames = [frame.to_ndarray() for frame in file.decode(audio=index)]
        tracks.append(np.concatenate(frames, axis=1) / 2.0**31)
    # Each of the five is rounded to 24 bits.
    assert np.abs(tracks[0] - sum(tracks[1:])).max() <= 3 * 2.0**-23


@pytest.mark.parametrize(("rate", "written"), [(48_000, 48_000), (96_000, 44_100), (8000, 44_100)])
def test_a_stem_file_has_a_rate_that_dj_software_loads(
    stemsplit: Stemsplit, workplace: Path, rate: int, written: int
) -> None:
    path = write_sndfile(workplace / "song.wav", tone(rate // 2, num_channels=1), sample_rate=rate)
    result = stemsplit(path, "-m", "spectral", "--format", "stem.mp4")
    assert result.exit_code == 0, result.stderr
    with av.open("separated/spectral/song/song.stem.mp4") as file:
        assert {(stream.rate, stream.channels) for stream in file.streams.audio} == {(written, 2)}
        assert {stream.duration for stream in file.streams.audio} == {written // 2}
    notes = [
        warning for warning in record("separated/spectral/song")["warnings"] if "Hz" in warning
    ]
    assert bool(notes) == (rate != written)
    for note in notes:
        assert f"has {written} Hz in place of {rate} Hz" in note


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--stems", "vocals"), "A stem file always holds the mixture and its four stems"),
        (("--two-stems", "vocals"), "A stem file always holds the mixture and its four stems"),
        (("--residual",), "A stem file always holds the mixture and its four stems"),
        (("--sample-rate", "96000"), "A stem file has 44100 or 48000 Hz, not 96000 Hz"),
    ],
)
def test_what_a_stem_file_leaves_no_choice_about(
    stemsplit: Stemsplit, song: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = stemsplit(song, "-m", "spectral", "--format", "stem.mp4", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
