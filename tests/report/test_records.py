"""Records are read without trusting them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemsplit.engine.record import TrackRecord
from stemsplit.errors import ReportError
from stemsplit.report.number_tables import numbers
from stemsplit.report.records import SeparatedTrack, SongRecords, group_songs
from tests.report.tracks import clicks, read_track, write_track

GOOD: dict[str, Any] = {
    "schema": 1,
    "model": {"name": "htdemucs"},
    "input": {"path": "/music/A song.mp3"},
    "fingerprint": {"input_sha256": "ab", "options": {"start_seconds": 3, "mixes": ["x = drums"]}},
    "sample_rate": 44_100,
    "num_samples": 88_200,
    "gain_db": -1.5,
    "outputs": [
        {"stem": "drums", "file": "drums.wav", "bytes": 10},
        {"stem": "x", "file": "x.wav", "bytes": 10},
    ],
}


def parse(file: str = "/out/m/song/stemsplit.json", **changes: Any) -> SeparatedTrack:
    return SeparatedTrack.of(Path(file), TrackRecord.from_json({**GOOD, **changes}))


def test_a_record_of_an_older_version_is_understood() -> None:
    track = parse()
    assert (track.title, track.model) == ("A song", "htdemucs")
    assert track.duration_seconds == 2
    assert track.record.excerpt.start_seconds == 3
    assert track.gain_db == -1.5
    assert track.suspicions == track.record.warnings == ()
    assert [output.is_mix for output in track.outputs] == [False, True]
    assert track.page_file == Path("/out/m/song/report.html")


def test_a_record_that_shares_its_folder_has_a_page_of_its_own() -> None:
    track = parse("/out/A song.stemsplit.json")
    assert track.page_file == Path("/out/A song.report.html")


@pytest.mark.parametrize(
    "file",
    [
        "../drums.wav",
        "a/../../drums.wav",
        "/etc/passwd",
        "C:\\drums.wav",
        "\\\\host\\drums.wav",
        "a\\..\\..\\x",
        "a\0b",
        "",
        7,
    ],
)
def test_an_output_outside_the_folder_is_left_out(file: object) -> None:
    outputs = [{"stem": "drums", "file": file}, {"stem": "bass", "file": "sub/bass.wav"}]
    record = parse(outputs=outputs)
    assert [output.path for output in record.outputs] == [Path("/out/m/song/sub/bass.wav")]


@pytest.mark.parametrize(
    "changes",
    [
        {"outputs": []},
        {"outputs": {"stem": "drums"}},
        {"outputs": [1, None, {"stem": "drums"}]},
        {"sample_rate": 0},
        {"sample_rate": "44100"},
        {"num_samples": -1},
        {"num_samples": True},
    ],
)
def test_a_record_without_finished_stems_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ReportError, match="nothing about finished stems"):
        parse(**changes)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*GOOD, "name", "options", "stem", "file", "x"]), inner)
    ),
    max_leaves=12,
)


@pytest.mark.slow
@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from([*GOOD, "checks", "warnings", "measured"]), VALUES))
def test_no_json_makes_it_stumble(changes: dict[str, Any]) -> None:
    changes = json.loads(json.dumps(changes))
    try:
        track = parse(**changes)
    except ReportError:
        return
    assert track.sample_rate > 0
    assert track.outputs
    assert all(isinstance(text, str) for text in (*track.suspicions, *track.record.warnings))
    numbers(SongRecords((track,)), private=True)


def test_one_song_and_range_is_one_group() -> None:
    def record(folder: str, sha: str, start: float, model: str = "m") -> Any:
        changed = {
            **GOOD,
            "model": {"name": model},
            "fingerprint": {"input_sha256": sha, "options": {"start_seconds": start}},
        }
        return parse(f"/out/{folder}/stemsplit.json", **changed)

    records = [
        record("a", "x", 0, "htdemucs"),
        record("b", "y", 0),
        record("c", "x", 0, "spectral"),
        record("d", "x", 0, "spectral"),
        record("e", "x", 5),
    ]
    groups = group_songs(records)
    assert [len(group.tracks) for group in groups] == [3, 1, 1]
    assert groups[0].labels == ("htdemucs", "spectral (/out/c)", "spectral (/out/d)")


def test_parts_of_a_written_stem_are_on_top_of_the_stems(tmp_path: Path) -> None:
    names = ("drums", "drums_kick", "vocals_lead")
    steps = [
        {"parent": "drums", "children": {"kick": "drums_kick"}, "model": {"name": "kit"}},
        {"parent": "vocals", "children": {"vocals": "vocals_lead"}, "model": {"name": "lead"}},
        "nonsense",
    ]
    record = read_track(write_track(tmp_path, {name: clicks(0.5) for name in names}, then=steps))
    assert [output.is_mix for output in record.outputs] == [False, True, False]


def test_a_page_names_all_models(tmp_path: Path) -> None:
    parts = [
        {"name": "one", "origin": "here", "licence": "restricted"},
        {"name": "two", "licence": None},
        "nonsense",
    ]
    file = write_track(
        tmp_path,
        {"vocals": clicks(0.5)},
        model={"name": "one+two", "parts": parts},
        then=[{"parent": "vocals", "model": {"name": "karaoke"}}],
    )
    page = numbers(SongRecords((read_track(file),)), private=False)
    for expected in ("here; not known", "one: restricted; two: unknown", "vocals by karaoke"):
        assert expected in page
