"""What README.md beside the command line's code says of events and records."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import stemsplit.cli

_TEXT = Path(stemsplit.cli.__file__).with_name("README.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| (.*?) \|(?: .* \|)?$", flags=re.MULTILINE)
_EVENTS, _RECORD = _TEXT.split("## `stemsplit.json`")


def documented_fields() -> Mapping[str, set[str]]:
    """The fields of each event, but for those that all have."""
    rows = _ROW.findall(_EVENTS)
    fields = {name.strip("`"): set(re.findall(r"`(\w+)`", text)) for name, text in rows}
    as_done = {name: fields["done"] for name, text in fields.items() if text == {"done"}}
    return {**fields, **as_done}


def documented_keys() -> set[str]:
    """The keys at the top of a record."""
    return {key for names, _ in _ROW.findall(_RECORD) for key in re.findall(r"`(\w+)`", names)}
