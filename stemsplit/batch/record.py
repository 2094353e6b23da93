"""stemsplit.json: what was done to a track, beside its stems.

The record is written before the outputs get their final names, and it also lists files of earlier
runs that are still there (`stemsplit.batch.earlier`). So at every moment a file that stemsplit
wrote is known by its sha256 and may be replaced unasked, and a file that no record knows is the
user's. Everything that differs between two runs of the same command is in `measured`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemsplit import durable
from stemsplit.audio.source import hash_file
from stemsplit.audio.write.output_files import new_temporary, track_key, writing
from stemsplit.batch.written_files import Entry, is_blank, is_cut_off, is_entry
from stemsplit.engine.ensemble import Ensemble
from stemsplit.errors import AudioReadError
from stemsplit.files import read_regular
from stemsplit.version import __version__

SCHEMA = 1
_MAX_RECORD_BYTES = 64 << 20


def describe_model(model: Ensemble) -> dict[str, Any]:
    """Where the networks came from, for people; of an ensemble, each part and what it counts."""
    parts = [
        {
            "name": part.bag.name,
            "origin": part.bag.origin,
            "revision": part.bag.revision,
            "licence": part.bag.licence,
            "shares": dict(part.weights),
        }
        for part in model.parts
    ]
    if len(parts) > 1:
        return {"name": model.name, "parts": parts}
    del parts[0]["shares"]
    return {**parts[0], "name": model.name}


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Writes a record in one step: a reader sees the old one or the new one, come what may.

    Raises:
        AudioWriteError: the disk is full, the folder cannot be written, and the like.
    """
    body = json.dumps({"schema": SCHEMA, "stemsplit": __version__, **record}, indent=2)
    part = new_temporary(path.parent, track_key(path))
    with writing(path):
        try:
            part.write_text(body + "\n", encoding="utf-8")
            durable.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def read_record(path: Path) -> dict[str, Any] | None:
    """The record at `path`; None if there is none that can be understood."""
    try:
        record = json.loads(read_regular(path, _MAX_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("schema") == SCHEMA else None


def missing_outputs(
    record: Mapping[str, Any], outputs: Mapping[str, Path], folder: Path
) -> list[str]:
    """The names of those `outputs` that are not there, or not as the record at `folder` has them.

    A file whose size and time of change are those that were recorded is not read again: hashing
    the stems of ten thousand songs takes most of an hour.
    """
    times = dict_at(dict_at(record, "measured"), "modified_ns")
    intact = {
        (entry.get("stem"), entry["file"])
        for entry in output_entries(record)
        if is_intact(entry, folder, times.get(entry["file"]))
    }
    return [
        name
        for name, path in outputs.items()
        if (name, os.path.relpath(path, folder)) not in intact
    ]


def other_names(record: Mapping[str, Any], outputs: Mapping[str, Path], folder: Path) -> bool:
    """Whether the record at `folder` has any of the `outputs` under another name."""
    names = {entry.get("stem"): entry["file"] for entry in output_entries(record)}
    return any(
        name in names and names[name] != os.path.relpath(path, folder)
        for name, path in outputs.items()
    )


def owns(record: Mapping[str, Any] | None, folder: Path, path: Path) -> bool:
    """Whether the file at `path` is one that the record says stemsplit wrote.

    It is, byte for byte, or what a power cut left of it. `folder` is the one that the record lies
    in.
    """
    name = os.path.relpath(path, folder)
    record = record or {}
    return any(
        entry["file"] == name and is_ours(entry, folder)
        for entry in (*output_entries(record), *earlier_entries(record))
    )


def is_ours(entry: Entry, folder: Path) -> bool:
    """Whether the file of the entry is there as we left it, or as a power cut did."""
    path = folder / entry["file"]
    return is_intact(entry, folder) or is_blank(path) or is_cut_off(entry, path)


def is_intact(entry: Entry, folder: Path, modified_ns: int | None = None) -> bool:
    """Whether the file is there as we left it; not read if it was last changed at `modified_ns`."""
    path = folder / entry["file"]
    try:
        status = path.stat()
        if status.st_size != entry.get("bytes"):
            return False
        return status.st_mtime_ns == modified_ns or hash_file(path) == entry.get("sha256")
    except (OSError, ValueError, AudioReadError):
        return False


def recorded_outputs(path: Path) -> set[Path]:
    """The absolute paths of the files that the record at `path` says stemsplit wrote."""
    record = read_record(path) or {}
    folder = path.parent.absolute()
    return {
        Path(os.path.normpath(folder / entry["file"]))
        for entry in (*output_entries(record), *earlier_entries(record))
    }


def output_entries(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The outputs in the record."""
    return _entries(record, "outputs")


def earlier_entries(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The files of earlier runs in the record."""
    return _entries(record, "earlier")


def dict_at(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The object of that name in a record; an empty one if there is none."""
    found = values.get(key)
    return found if isinstance(found, dict) else {}


def _entries(record: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    entries = record.get(key)
    return (
        [dict(entry) for entry in entries if is_entry(entry)] if isinstance(entries, list) else []
    )
