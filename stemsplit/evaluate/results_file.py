"""Results as JSON Lines: a figure of one stem of one track on each line, appended and found again.

Besides what was measured, a line says of what it is a figure: the track (with the size of its
files, which tells an excerpt from the song), the model and its revision, the program's version and
the protocol. `value` is null where there is no figure, and `reason` says why.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemsplit.audio.file_names import display_path
from stemsplit.audio.write.output_files import make_folders, writing
from stemsplit.durable import sync_file
from stemsplit.errors import UsageError
from stemsplit.files import read_regular
from stemsplit.quoting import quoted, reason

_MAX_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """One figure. `subset` is None where the data set is not divided.

    `estimate`: the model's stems that were summed to be compared with `stem`.
    """

    dataset: str
    subset: str | None
    track: str
    track_bytes: int
    stem: str
    estimate: str
    metric: str
    value: float | None
    reason: str
    model: str
    revision: str
    precision: str
    tool_version: str
    protocol: str

    @property
    def subject(self) -> tuple[str, ...]:
        """What was measured on, and how: records with one subject may be compared."""
        return (
            self.dataset,
            self.track,
            str(self.track_bytes),
            self.stem,
            self.metric,
            self.protocol,
        )

    @property
    def system(self) -> tuple[str, ...]:
        """Who was measured."""
        return self.model, self.revision, self.precision

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Record:
        """Raises ValueError if `values` are not those of a record; more fields are passed over."""
        if not isinstance(values, dict):
            raise ValueError("not an object")
        known: dict[str, Any]
        known = {field.name: values.get(field.name) for field in dataclasses.fields(cls)}
        for name, found in known.items():
            if not _fits(name, found):
                raise ValueError(f"{name} is {quoted(found)}")
        return cls(**known)


def _fits(name: str, value: Any) -> bool:
    """Whether a field of a record may have that value."""
    if name == "value":
        return value is None or (isinstance(value, int | float) and math.isfinite(value))
    if name == "track_bytes":
        return isinstance(value, int)
    return isinstance(value, str) or (name == "subset" and value is None)


Key = tuple[tuple[str, ...], tuple[str, ...]]
"""A record's subject and system."""


class RecordFile:
    """The records in a file, and a place for more; the file is made with the first one."""

    def __init__(self, path: Path) -> None:
        """Reads the file if it is there.

        Raises:
            UsageError: it is not a file of records.
        """
        self.path = path
        text = _read(path) if path.exists() else ""
        self._ends_inside_line = not text.endswith("\n") and text != ""
        self._records = _parse(path, text)

    def find(self, subject: tuple[str, ...], system: tuple[str, ...]) -> Record | None:
        """The latest record of that."""
        return self._records.get((subject, system))

    def append(self, records: Sequence[Record]) -> None:
        """Writes records, all of them in one piece.

        Raises:
            AudioWriteError: the disk is full, the folder cannot be written, and the like.
        """
        lines = "".join(json.dumps(record.as_json()) + "\n" for record in records)
        with writing(self.path):
            make_folders(self.path.parent)
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" + lines if self._ends_inside_line else lines)
            sync_file(self.path)  # a track may have taken minutes
        self._ends_inside_line = False
        self._records.update(((record.subject, record.system), record) for record in records)


def read_records(path: Path) -> list[Record]:
    """All records in a file; of several for the same, the last one counts.

    Raises:
        UsageError: there is no such file, or it holds something else.
    """
    return list(_parse(path, _read(path)).values())


def _read(path: Path) -> str:
    try:
        return read_regular(path, _MAX_BYTES).decode()
    except (OSError, ValueError) as error:
        raise UsageError(f"{display_path(path)} cannot be read: {reason(error)}.") from error


def _parse(path: Path, text: str) -> dict[Key, Record]:
    records: dict[Key, Record] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip("\0 \t\r"):  # a power cut may leave zeros where a line was to be
            continue
        try:
            record = Record.from_json(json.loads(line))
        except json.JSONDecodeError as error:
            if not line.startswith("{"):
                raise _not_records(path, number, error) from error
            continue  # half a line, as a run leaves it that is killed
        except (ValueError, RecursionError) as error:
            raise _not_records(path, number, error) from error
        records[record.subject, record.system] = record
    return records


def _not_records(path: Path, number: int, error: Exception) -> UsageError:
    return UsageError(
        f"{display_path(path)} is not a file of results: line {number} is none ({reason(error)}).",
        hint="Name another file, or remove the line.",
    )
