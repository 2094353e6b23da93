"""The record beside the stems: what was written is read, whoever has been at it since."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.engine.checks import Checks, SignalCheck
from stemsplit.engine.excerpt import WHOLE, Excerpt
from stemsplit.engine.record import (
    EnsembleOrigin,
    Measured,
    ModelOrigin,
    RecordedInput,
    RecordedStep,
    RecordedTrack,
    TrackRecord,
    WrittenFile,
)
from stemsplit.errors import UsageError

TEXTS = st.text(max_size=6)
NUMBERS = st.floats(-1e6, 1e6)
COUNTS = st.integers(0, 2**53 - 1)
# Names of files are bytes on Linux, and text everywhere else.
NAMES = st.binary(min_size=1, max_size=9).filter(lambda name: b"\0" not in name).map(os.fsdecode)
PATHS = (NAMES if sys.platform != "win32" else TEXTS.filter(str.isalnum)).map(Path)
ORIGINS = st.builds(
    ModelOrigin,
    name=TEXTS,
    origin=st.none() | TEXTS,
    revision=st.none() | TEXTS,
    licence=st.none() | TEXTS,
    shares=st.dictionaries(TEXTS, NUMBERS, max_size=2),
)
MODELS = ORIGINS | st.builds(
    EnsembleOrigin, name=TEXTS, parts=st.lists(ORIGINS, max_size=3).map(tuple)
)
FILES = st.builds(
    WrittenFile,
    stem=st.none() | TEXTS,
    file=PATHS.filter(lambda path: not path.anchor and ".." not in path.parts).map(str),
    sha256=st.none() | TEXTS,
    bytes=st.none() | COUNTS,
    set=st.none() | TEXTS,
    gain_db=st.none() | NUMBERS,
    stale=st.booleans(),
)
LEVELS = st.builds(
    SignalCheck,
    loudness_lufs=st.none() | NUMBERS,
    peak_dbfs=st.none() | NUMBERS,
    num_clipped=COUNTS,
    silent=st.booleans(),
)
RECORDS = st.builds(
    TrackRecord,
    stemsplit=st.none() | TEXTS,
    model=MODELS,
    then=st.lists(
        st.builds(
            RecordedStep,
            parent=st.none() | TEXTS,
            children=st.dictionaries(TEXTS, TEXTS, max_size=2),
            model=MODELS,
        ),
        max_size=2,
    ).map(tuple),
    device=st.none() | TEXTS,
    precision=st.none() | TEXTS,
    input=st.builds(
        RecordedInput,
        path=st.none() | PATHS,
        track=st.none()
        | st.builds(
            RecordedTrack,
            sheet=PATHS,
            number=st.integers(1, 99),
            name=TEXTS,
            start_frame=COUNTS,
            stop_frame=st.none() | COUNTS,
            start_sample=st.none() | COUNTS,
        ),
        sample_rate=st.none() | COUNTS,
        num_channels=st.none() | COUNTS,
    ),
    sample_rate=st.none() | COUNTS,
    num_samples=st.none() | COUNTS,
    gain_db=st.none() | NUMBERS,
    residual_db=st.none() | NUMBERS,
    checks=st.none()
    | st.builds(Checks, stems=st.dictionaries(TEXTS, LEVELS, max_size=2), mixture=LEVELS),
    warnings=st.lists(TEXTS, max_size=2).map(tuple),
    fingerprint=st.dictionaries(TEXTS, st.none() | NUMBERS | st.lists(TEXTS), max_size=3),
    outputs=st.lists(FILES, max_size=3).map(tuple),
    earlier=st.lists(FILES, max_size=2).map(tuple),
    measured=st.builds(
        Measured,
        seconds=st.none() | NUMBERS,
        modified_ns=st.dictionaries(TEXTS, st.integers(0, 2**63), max_size=2),
    ),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def written(values: object) -> Any:
    """What is read of JSON values that were written to a file."""
    return json.loads(json.dumps(values, indent=2).encode("utf-8"))


@given(RECORDS)
def test_what_was_written_is_read(record: TrackRecord) -> None:
    values = written(record.to_json())
    assert TrackRecord.from_json(values) == record
    assert TrackRecord.from_json(values).raw == values


@given(RECORDS, st.dictionaries(TEXTS.map("later_{}".format), JSON, max_size=3))
def test_what_a_newer_version_has_written_beside_it_is_passed_over(
    record: TrackRecord, later: dict[str, object]
) -> None:
    values = record.to_json()
    for place in (values, values["input"], values["measured"], *values["outputs"]):
        place.update(later)
    assert TrackRecord.from_json(written(values)) == record


@pytest.mark.parametrize("key", list(TrackRecord().to_json()))
@given(record=RECORDS, data=st.data())
def test_junk_in_one_place_spoils_no_other(
    key: str, record: TrackRecord, data: st.DataObject
) -> None:
    values = {**record.to_json(), key: data.draw(JSON)}
    found = TrackRecord.from_json(values).to_json()
    for other in found.keys() - {key}:
        assert found[other] == values[other]


def test_of_nothing_nothing_is_known() -> None:
    assert TrackRecord.from_json({}) == TrackRecord()
    with pytest.raises(UsageError, match="`TrackRecord` must be an object"):
        TrackRecord.from_json([])


@pytest.mark.parametrize(
    "entry",
    [
        7,
        {},
        {"file": 7},
        {"file": "../mine.wav"},
        {"file": "a/../../mine.wav"},
        {"file": str(Path(Path.cwd().anchor, "mine.wav"))},
        {"file": "a\0b"},
    ],
)
def test_no_file_outside_of_its_folder_is_an_output(entry: object) -> None:
    kept = {"stem": "bass", "file": "sub/bass.wav"}
    record = TrackRecord.from_json({"outputs": [entry, kept], "earlier": [entry]})
    assert record.outputs == (WrittenFile(stem="bass", file="sub/bass.wav"),)
    assert record.earlier == ()


@pytest.mark.parametrize(
    ("options", "excerpt", "mixes"),
    [
        ({}, WHOLE, ()),
        (None, WHOLE, ()),
        ({"start_seconds": 3, "mixes": ["x = drums", 7]}, Excerpt(start_seconds=3), ("x = drums",)),
        ({"start_seconds": "3", "audio_track": 2}, Excerpt(audio_track=2), ()),
        ({"start_seconds": 3, "end_seconds": 2}, WHOLE, ()),
    ],
)
def test_what_was_asked_for_is_in_the_fingerprint(
    options: object, excerpt: Excerpt, mixes: tuple[str, ...]
) -> None:
    record = TrackRecord.from_json({"fingerprint": {"options": options, "input_sha256": "ab"}})
    assert (record.excerpt, record.mixes, record.input_sha256) == (excerpt, mixes, "ab")
