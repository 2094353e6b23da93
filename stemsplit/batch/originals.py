"""Which song a record is about."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from typing import Any

from stemsplit.errors import AudioReadError


class Kinship(IntEnum):
    """How sure it is that a record is about a song."""

    NONE = 0
    """It is about another one, whose stems must stay."""
    MOVED = 1
    """Its original had the same file name and is not there any more, or is not known."""
    CONTENT = 2
    """Its original had the same bytes."""
    FILE = 3
    """Its original is the same file, under another path."""
    PATH = 4
    """Its original is there where the song is."""


def kinship(record: Mapping[str, Any], song: Path, digest: Callable[[Path], str]) -> Kinship:
    """How the record is related to a song. `digest` is asked only where the path does not tell."""
    recorded = recorded_original(record)
    if recorded is not None:
        if Path(recorded) == song.absolute():
            return Kinship.PATH
        with suppress(OSError):
            if os.path.samefile(recorded, song):  # noqa: PTH121 - Path raises the same
                return Kinship.FILE
    with suppress(AudioReadError):
        if _text(record, "fingerprint", "input_sha256") == digest(song):
            return Kinship.CONTENT
    if recorded is None:
        return Kinship.MOVED
    is_gone = not os.path.lexists(recorded)
    return Kinship.MOVED if is_gone and Path(recorded).name == song.name else Kinship.NONE


def recorded_original(record: Mapping[str, Any]) -> str | None:
    """The path of the song that was separated, as far as the record has one."""
    path = _text(record, "input", "path")
    return path if path and "\0" not in path else None


def _text(record: Mapping[str, Any], part: str, key: str) -> str | None:
    values = record.get(part)
    text = values.get(key) if isinstance(values, dict) else None
    return text if isinstance(text, str) else None
