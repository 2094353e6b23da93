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
from stemsplit.batch.written_files import is_blank, is_cut_off
from stemsplit.engine.record import TrackRecord, WrittenFile
from stemsplit.errors import AudioReadError
from stemsplit.files import read_regular
from stemsplit.version import __version__

SCHEMA = 1
_MAX_RECORD_BYTES = 64 << 20


def write_record(path: Path, values: Mapping[str, Any]) -> None:
    """Writes a record's JSON values in one step: a reader sees the old one or the new one.

    Raises:
        AudioWriteError: the disk is full, the folder cannot be written, and the like.
    """
    body = json.dumps({"schema": SCHEMA, "stemsplit": __version__, **values}, indent=2)
    part = new_temporary(path.parent, track_key(path))
    with writing(path):
        try:
            part.write_text(body + "\n", encoding="utf-8")
            durable.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def read_record(path: Path) -> TrackRecord | None:
    """The record at `path`; None if there is none that can be understood."""
    try:
        values = json.loads(read_regular(path, _MAX_RECORD_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    is_ours = isinstance(values, dict) and values.get("schema") == SCHEMA
    return TrackRecord.from_json(values) if is_ours else None


def missing_outputs(record: TrackRecord, outputs: Mapping[str, Path], folder: Path) -> list[str]:
    """The names of those `outputs` that are not there, or not as the record at `folder` has them.

    A file whose size and time of change are those that were recorded is not read again: hashing
    the stems of ten thousand songs takes most of an hour.
    """
    times = record.measured.modified_ns
    intact = {
        (written.stem, written.file)
        for written in record.outputs
        if is_intact(written, folder, times.get(written.file))
    }
    return [
        name
        for name, path in outputs.items()
        if (name, os.path.relpath(path, folder)) not in intact
    ]


def other_names(record: TrackRecord, outputs: Mapping[str, Path], folder: Path) -> bool:
    """Whether the record at `folder` has any of the `outputs` under another name."""
    names = {written.stem: written.file for written in record.outputs}
    return any(
        name in names and names[name] != os.path.relpath(path, folder)
        for name, path in outputs.items()
    )


def owns(record: TrackRecord | None, folder: Path, path: Path) -> bool:
    """Whether the file at `path` is one that the record says stemsplit wrote.

    It is, byte for byte, or what a power cut left of it. `folder` is the one that the record lies
    in.
    """
    name = os.path.relpath(path, folder)
    return record is not None and any(
        written.file == name and is_ours(written, folder)
        for written in (*record.outputs, *record.earlier)
    )


def is_ours(written: WrittenFile, folder: Path) -> bool:
    """Whether the file is there as we left it, or as a power cut did."""
    path = folder / written.file
    return is_intact(written, folder) or is_blank(path) or is_cut_off(written, path)


def is_intact(written: WrittenFile, folder: Path, modified_ns: int | None = None) -> bool:
    """Whether the file is there as we left it; not read if it was last changed at `modified_ns`."""
    path = folder / written.file
    try:
        status = path.stat()
        if status.st_size != written.bytes:
            return False
        return status.st_mtime_ns == modified_ns or hash_file(path) == written.sha256
    except (OSError, ValueError, AudioReadError):
        return False


def recorded_outputs(path: Path) -> set[Path]:
    """The absolute paths of the files that the record at `path` says stemsplit wrote."""
    record = read_record(path) or TrackRecord()
    folder = path.parent.absolute()
    return {
        Path(os.path.normpath(folder / written.file))
        for written in (*record.outputs, *record.earlier)
    }
