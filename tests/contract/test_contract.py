"""What users see of a run is what they saw before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import stemsplit.cli
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


TABLES = Path(stemsplit.cli.__file__).with_name("README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*?) \|(?: .* \|)?$", TABLES, flags=re.MULTILINE)


def documented() -> Mapping[str, set[str]]:
    """The fields of each event, as README.md has them."""
    fields = {name.strip("`"): set(re.findall(r"`(\w+)`", text)) for name, text in ROWS}
    return {
        **fields,
        **{name: fields["done"] for name, text in fields.items() if text == {"done"}},
    }


def expected_values(kind: type) -> Iterator[Any]:
    for story in STORIES:
        for outcome in expected(story).values():
            yield from outcome["stdout"] if kind is list else outcome["files"].items()


def test_the_table_of_events_is_complete() -> None:
    table = documented()
    seen = [
        event for event in expected_values(list) if isinstance(event, dict) and "event" in event
    ]
    assert {event["event"] for event in seen} >= {"start", "done", "failed", "planned", "summary"}
    for event in seen:
        assert event.keys() - {"schema", "event", "time"} == table[event["event"]], event["event"]


def test_the_table_of_the_record_is_complete() -> None:
    keys = {key for names, _ in ROWS for key in re.findall(r"`(\w+)`", names)}
    records = [
        value for name, value in expected_values(dict) if name.endswith("/stemsplit.json") and value
    ]
    assert len(records) > 30
    assert set().union(*records) <= keys
