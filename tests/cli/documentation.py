"""What README.md beside the command line's code says of events and records."""

from __future__ import annotations

import re
from pathlib import Path

import stemsplit.cli

_TEXT = Path(stemsplit.cli.__file__).with_name("README.md").read_text(encoding="utf-8")
_EVENT = re.compile(r"^\| (?:`(\w+)`|none) \| ((?:`\w+` ?)+|as `done`) \|", flags=re.MULTILINE)
_KEYS = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \|", flags=re.MULTILINE)
_EVENTS, _RECORD = _TEXT.split("## `stemsplit.json`")

Line = tuple[str, tuple[str, ...]]
"""The name of an event, none for that of doctor, and its fields but for those that all have."""


def documented_events() -> set[Line]:
    rows = {(name, tuple(re.findall(r"`(\w+)`", text))) for name, text in _EVENT.findall(_EVENTS)}
    (of_done,) = (fields for name, fields in rows if name == "done")
    return {(name, of_done if fields == ("done",) else fields) for name, fields in rows}


def documented_keys() -> set[str]:
    """The keys at the top of a record."""
    return {key for names in _KEYS.findall(_RECORD) for key in re.findall(r"`(\w+)`", names)}
