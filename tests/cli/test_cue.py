"""Cue sheets from the command line to the finished files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from stemsplit.audio.tags.song_tags import FRONT_COVER, Picture, make_tags
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.audio.tags.tag_writer import write_tags
from tests.audio.songs import tone, write_sndfile
from tests.cli.conftest import Stemsplit

FRAME = 588
COVER = Picture("image/jpeg", FRONT_COVER, b"\xff\xd8\xff" + bytes(100))
SHEET = """\
PERFORMER "Band"
TITLE "Album"
FILE "album.flac" WAVE
TRACK 01 AUDIO
TITLE "One"
INDEX 01 00:00:00
TRACK 02 AUDIO
TITLE "Two"
INDEX 01 00:00:30
TRACK 03 AUDIO
TITLE "Three"
INDEX 01 00:00:50
"""
NAMES = ["01 One", "02 Two", "03 Three"]


@pytest.fixture
def sheet(workplace: Path) -> Path:
    """A sheet that cuts a file of 0.8 s, which has tags and a cover, into three."""
    audio = write_sndfile(workplace / "album.flac", tone(60 * FRAME), subtype="PCM_16")
    tags = make_tags(
        {"title": ["All"], "date": ["1999"], "lyrics": ["La"], "bpm": ["120"]}, [COVER]
    )
    write_tags(audio, "flac", tags)
    (workplace / "album.cue").write_text(SHEET)
    return Path("album.cue")


def run(stemsplit: Stemsplit, *arguments: object) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the events."""
    result = stemsplit(*arguments, "-m", "spectral", "--json")
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()]


def statuses(events: list[dict[str, Any]]) -> dict[str, str]:
    """How each song ended, by its name."""
    ends = ("done", "skipped", "failed")
    return {Path(e["input"]).name: e["event"] for e in events if e["event"] in ends}


def test_each_track_is_a_song_of_its_own(stemsplit: Stemsplit, sheet: Path) -> None:
    exit_code, events = run(stemsplit, sheet)
    assert exit_code == 0
    assert statuses(events) == dict.fromkeys(NAMES, "done")
    samples, rate = soundfile.read("album.flac", always_2d=True, dtype="int16")
    for name, start, stop in zip(NAMES, (0, 30, 50), (30, 50, 60), strict=True):
        # As if it had been cut out before.
        soundfile.write(f"{name}.wav", samples[start * FRAME : stop * FRAME], rate)
        assert run(stemsplit, f"{name}.wav", "-o", "cut")[0] == 0
        for stem in ("drums", "bass", "other", "vocals"):
            ours, _ = soundfile.read(f"separated/spectral/{name}/{stem}.wav", dtype="int32")
            theirs, _ = soundfile.read(f"cut/spectral/{name}/{stem}.wav", dtype="int32")
            np.testing.assert_array_equal(ours, theirs)
    tags = read_tags(Path("separated/spectral/02 Two/bass.wav"))
    assert {name: values for name, values in tags.text.items() if name != "date"} == {
        "title": ("Two (bass)",),
        "artist": ("Band",),
        "albumartist": ("Band",),
        "album": ("Album",),
        "tracknumber": ("2",),
        "tracktotal": ("3",),
    }
    assert tags.text["date"] == ("1999",)
    assert tags.pictures == (COVER,)


def test_a_second_run_does_what_the_sheet_has_new(stemsplit: Stemsplit, sheet: Path) -> None:
    assert run(stemsplit, sheet)[0] == 0
    assert statuses(run(stemsplit, sheet)[1]) == dict.fromkeys(NAMES, "skipped")
    sheet.write_text(SHEET.replace("00:00:50", "00:00:40"))
    _, events = run(stemsplit, sheet)
    assert statuses(events) == {"01 One": "skipped", "02 Two": "done", "03 Three": "done"}
    assert str(events).count("Separated again: another place or text in the cue sheet.") == 2
    sheet.write_text(sheet.read_text().replace('"Three"\n', '"Three"\nPERFORMER "Guest"\n'))
    found = statuses(run(stemsplit, sheet)[1])
    assert found == {"01 One": "skipped", "02 Two": "skipped", "03 Three": "done"}
    tags = read_tags(Path("separated/spectral/03 Three/bass.wav"))
    assert tags.text["artist"] == ("Guest",)


def test_tracks_stay_finished_where_the_album_is_moved(stemsplit: Stemsplit, sheet: Path) -> None:
    assert run(stemsplit, sheet)[0] == 0
    Path("moved").mkdir()
    for name in ("album.cue", "album.flac"):
        Path(name).rename(Path("moved") / name)
    assert statuses(run(stemsplit, "moved/album.cue")[1]) == dict.fromkeys(NAMES, "skipped")
    # The whole file is another song, with a place of its own.
    assert statuses(run(stemsplit, "moved/album.flac")[1]) == {"album.flac": "done"}


def test_a_track_that_fails_stops_no_other(stemsplit: Stemsplit, sheet: Path) -> None:
    text = SHEET.replace("00:00:50", "00:10:00") + 'TRACK 04 AUDIO\nTITLE "Four"\n'
    sheet.write_text(text)
    result = stemsplit(sheet, "-m", "spectral")
    assert result.exit_code == 1
    assert "album.flac ends before 10.00 s, where this part of it should begin." in result.stderr
    assert "Track 04 of album.cue (line 13) has no INDEX 01" in result.stderr
    assert "02 Two seems cut off" in result.stderr.replace("album.cue/", "")
    assert "2 done, 0 skipped, 2 failed." in result.stderr


def test_start_and_end_are_within_each_track(stemsplit: Stemsplit, sheet: Path) -> None:
    assert run(stemsplit, sheet, "--start", "0.04", "--end", "0.08", "--report")[0] == 0
    for name in NAMES:
        folder = Path("separated/spectral") / name
        assert soundfile.info(folder / "bass.wav").frames == 3 * FRAME
    page = Path("separated/spectral/02 Two/report.html").read_text()
    assert "<title>02 Two" in page
    assert '"offset":0.44' in page.replace(": ", ":")  # 30 frames of 75, and 0.04 s


def test_other_songs_of_these_names_stay(stemsplit: Stemsplit, sheet: Path) -> None:
    """The same titles in another album, and the same numbers of another sheet in a template."""
    assert run(stemsplit, sheet)[0] == 0
    Path("other").mkdir()
    write_sndfile(Path("other/album.flac"), tone(70 * FRAME), subtype="PCM_16")
    Path("other/second.cue").write_text(SHEET)
    before = Path("separated/spectral/01 One/stemsplit.json").read_bytes()
    assert statuses(run(stemsplit, "other/second.cue")[1]) == dict.fromkeys(NAMES, "done")
    assert Path("separated/spectral/01 One/stemsplit.json").read_bytes() == before
    assert Path("separated/spectral/second/01 One/stemsplit.json").exists()
    assert statuses(run(stemsplit, sheet, "other/second.cue")[1]) == dict.fromkeys(NAMES, "skipped")

    flat = ("--template", "{track}-{stem}.{ext}", "-o", "flat")
    assert run(stemsplit, sheet, *flat)[0] == 0
    _, events = run(stemsplit, "other/second.cue", *flat)
    assert statuses(events) == dict.fromkeys(NAMES, "failed")
    assert "album.cue/01 One are where those of other/second.cue/01 One should go" in str(events)
    exit_code, events = run(stemsplit, sheet, "--template", "{stem}.{ext}", "-o", "one")
    assert exit_code == 2
    assert not events


def test_a_folder_with_a_sheet_is_walked_for_audio_and_the_sheet_named(
    stemsplit: Stemsplit, sheet: Path
) -> None:
    del sheet
    result = stemsplit(".", "-m", "spectral", "--dry-run")
    assert result.exit_code == 0
    assert "Note: album.cue cuts a file into tracks, if you name it: `stemsplit album.cue`." in (
        result.stderr
    )
    assert "1 song: 1 new." in result.stderr


def test_a_preview_is_of_each_track(stemsplit: Stemsplit, sheet: Path) -> None:
    exit_code, events = run(stemsplit, sheet, "--preview", "--no-open", "--stems", "bass")
    assert exit_code == 0
    assert statuses(events) == dict.fromkeys(NAMES, "done")
