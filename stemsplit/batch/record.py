"""stemsplit.json: what was done to a track, beside its stems."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemsplit.audio.place import new_part, writing
from stemsplit.audio.source import hash_file
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.options import SeparationOptions
from stemsplit.version import __version__

SCHEMA = 1


def fingerprint(
    *,
    input_sha256: str,
    ensemble: Ensemble,
    options: SeparationOptions,
    encoding: Mapping[str, Any],
) -> dict[str, Any]:
    """Everything that decides how the outputs sound: equal fingerprints, equal outputs."""
    return {
        "input_sha256": input_sha256,
        "model": {
            "name": ensemble.name,
            "family": ensemble.family,
            # A model without files changes with the program.
            "networks": {
                member.signature: member.sha256 or f"stemsplit {__version__}"
                for member in ensemble.members
            },
        },
        "options": dataclasses.asdict(options),
        "encoding": dict(encoding),
    }


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Writes a record in one step: a reader sees the old one or the new one.

    Raises:
        AudioWriteError: the disk is full, the folder cannot be written, and the like.
    """
    body = json.dumps({"schema": SCHEMA, "stemsplit": __version__, **record}, indent=2)
    part = new_part(path.parent)
    with writing(path):
        try:
            part.write_text(body + "\n", encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def read_record(path: Path) -> dict[str, Any] | None:
    """The record at `path`; None if there is none that can be understood."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and record.get("schema") == SCHEMA else None


def is_finished(record: Mapping[str, Any] | None, wanted: Mapping[str, Any], folder: Path) -> bool:
    """Whether `record` tells of the wanted outputs and all of them are still intact."""
    if record is None or record.get("fingerprint") != json.loads(json.dumps(wanted)):
        return False
    return all(_is_intact(output, folder) for output in _outputs(record))


def recorded_outputs(path: Path) -> set[Path]:
    """The absolute paths of the files that the record at `path` says stemsplit wrote."""
    record = read_record(path)
    folder = path.parent.absolute()
    return {Path(os.path.normpath(folder / output["file"])) for output in _outputs(record or {})}


def _outputs(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    outputs = record.get("outputs")
    if not isinstance(outputs, list):
        return []
    return [
        output
        for output in outputs
        if isinstance(output, dict) and isinstance(output.get("file"), str)
    ]


def _is_intact(output: Mapping[str, Any], folder: Path) -> bool:
    path = folder / output["file"]
    try:
        return path.stat().st_size == output.get("bytes") and (
            hash_file(path) == output.get("sha256")
        )
    except OSError:
        return False
