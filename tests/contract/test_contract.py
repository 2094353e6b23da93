"""What users see of a run is what they saw before."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stemsplit.engine.record import TrackRecord
from tests.cli.documentation import documented_events, documented_keys
from tests.contract.commands import STORIES
from tests.contract.outcome import differences
from tests.contract.stories import expected, tell


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_a_story_ends_as_it_did(story: str, tmp_path: Path) -> None:
    found = list(differences(expected(story), tell(story, tmp_path)))
    assert not found, "\n".join(
        [*found, "If that is meant: python -m tests.contract record, and look at the difference."]
    )


def expected_values(kind: type) -> Iterator[Any]:
    for story in STORIES:
        for outcome in expected(story).values():
            yield from outcome["stdout"] if kind is list else outcome["files"].items()


def test_the_table_of_events_is_complete() -> None:
    table = {(name, frozenset(fields)) for name, fields in documented_events()}
    seen = [
        event for event in expected_values(list) if isinstance(event, dict) and "event" in event
    ]
    assert {event["event"] for event in seen} >= {"start", "done", "failed", "planned", "summary"}
    for event in seen:
        fields = frozenset(event.keys() - {"schema", "event", "time"})
        assert (event["event"], fields) in table, event["event"]


def test_the_table_of_the_record_is_complete() -> None:
    records = [
        value for name, value in expected_values(dict) if name.endswith("/stemsplit.json") and value
    ]
    assert len(records) > 30
    assert set().union(*records) <= documented_keys()
    fields = {field.name for field in dataclasses.fields(TrackRecord)}
    assert documented_keys() == {"schema", *fields - {"raw"}}
