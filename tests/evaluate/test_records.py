from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from stemsplit.errors import AudioWriteError, UsageError
from stemsplit.evaluate.results_file import RecordFile, read_records
from tests.evaluate.result_records import record


def test_records_are_appended_and_found_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "results.jsonl"
    store = RecordFile(path)
    assert not path.exists()
    store.append([record("a"), record("b", value=None, reason="silent")])
    store.append([record("c", value=3)])
    assert read_records(path) == [
        record("a"),
        record("b", value=None, reason="silent"),
        record("c", value=3),
    ]
    again = RecordFile(path)
    assert again.find(record("b").subject, record("b").system) is not None
    assert again.find(record("b").subject, ("m", "other", "fp32")) is None
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == dataclasses.asdict(record("a"))
    assert {"track", "stem", "metric", "value", "model", "revision", "tool_version"} < set(lines[0])


def test_the_last_of_several_records_counts(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    RecordFile(path).append([record(value=1.0), record("b"), record(value=2.0)])
    assert [(each.track, each.value) for each in read_records(path)] == [("song", 2.0), ("b", 1.0)]


def test_an_excerpt_is_not_the_song() -> None:
    assert record().subject != dataclasses.replace(record(), track_bytes=99).subject
    assert record().subject != dataclasses.replace(record(), protocol="q").subject
    assert record().system != dataclasses.replace(record(), revision="s").system


def test_half_a_line_of_a_killed_run_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    RecordFile(path).append([record("a"), record("b")])
    path.write_text(path.read_text()[:-20])
    store = RecordFile(path)
    assert store.find(record("b").subject, record("b").system) is None
    store.append([record("b", value=5.0)])
    assert [(each.track, each.value) for each in read_records(path)] == [("a", 1.0), ("b", 5.0)]


@pytest.mark.parametrize(
    "text",
    [
        "a recipe\n",
        "[1]\n",
        "3",
        '{"track": "a"}\n',
        '{"schema": 1, "stemsplit": "0.1"}',
        "[" * 100_000,
        json.dumps(dataclasses.asdict(record()) | {"value": "high"}),
        json.dumps(dataclasses.asdict(record()) | {"value": float("nan")}),
    ],
)
def test_other_files_are_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match="is not a file of results: line 1 is none"):
        RecordFile(path)
    assert path.read_text() == text


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_records(tmp_path / "nowhere.jsonl")
    (tmp_path / "binary.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="cannot be read"):
        RecordFile(tmp_path / "binary.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(AudioWriteError, match="could not be written"):
        RecordFile(tmp_path / "file" / "results.jsonl").append([record()])
