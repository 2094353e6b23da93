"""What `stemsplit bench` has measured on this machine: a small JSON file in the user's cache.

It holds nothing that another run of `stemsplit bench` could not bring back, so a file that is
damaged or of another kind counts as none.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from stemsplit import durable
from stemsplit.errors import StemsplitError
from stemsplit.files import read_regular
from stemsplit.quoting import quoted

SCHEMA = 1
_MAX_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """How fast one model ran on one device.

    `model` is a name in the catalogue, or where the files are from. `realtime_factor`: seconds of
    music per second, the median of `num_passes` over `music_seconds` of music, after a first chunk
    that is not counted (with 0 passes: that chunk's own). `import_seconds`: from the start of the
    process until stemsplit and torch are imported; `load_seconds`: from then until the model is
    ready; `first_chunk_seconds`: from then until its first stems came out. `peak_bytes`: the most
    memory that the whole process had; `device_peak_bytes`: the most that torch had on a GPU. Both
    are None where the system does not tell. `date`: ISO 8601, UTC.
    """

    model: str
    device: str
    device_name: str
    precision: str
    num_threads: int
    torch_version: str
    stemsplit_version: str
    date: str
    realtime_factor: float
    num_passes: int
    music_seconds: float
    import_seconds: float
    load_seconds: float
    first_chunk_seconds: float
    peak_bytes: int | None
    device_peak_bytes: int | None

    @property
    def key(self) -> tuple[object, ...]:
        """What was measured: a later measurement of the same takes the place of this one."""
        return (
            self.model,
            self.device,
            self.device_name,
            self.precision,
            self.num_threads,
            *self.versions,
        )

    @property
    def versions(self) -> tuple[str, str]:
        """Of stemsplit and torch."""
        return self.stemsplit_version, self.torch_version

    def as_json(self) -> dict[str, Any]:
        """The measurement as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: object) -> Measurement:
        """The measurement that `as_json` gave.

        Raises:
            ValueError: these are no values of a measurement.
        """
        if not isinstance(values, dict) or values.keys() != {field.name for field in fields(cls)}:
            raise ValueError("not the fields of a measurement")
        for field in fields(cls):
            if not isinstance(values[field.name], _KINDS[str(field.type)]):
                raise ValueError(f"{field.name} is {quoted(values[field.name])}")
        return cls(**values)


@dataclass(frozen=True, slots=True)
class MeasurementFailed:
    """A measurement that did not come about. `slower_than`: x real time, if so much is known."""

    model: str
    device: str
    error: str
    slower_than: float | None = None


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "int | None": (int, type(None)),
}


def results_file() -> Path:
    """Where measurements are kept: below STEMSPLIT_CACHE, else where this system keeps caches."""
    own = os.environ.get("STEMSPLIT_CACHE")
    return Path(own) / "bench.json" if own else _user_cache() / "stemsplit" / "bench.json"


def read_measurements(file: Path | None = None) -> list[Measurement]:
    """All measurements, the oldest first; none if there is no file, or one that makes no sense."""
    try:
        document = json.loads(read_regular(file or results_file(), _MAX_BYTES))
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            return []
        return [Measurement.from_json(values) for values in document["measurements"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def store(new: Iterable[Measurement], file: Path | None = None) -> Path:
    """Adds measurements to the file, in place of earlier ones of the same, and returns its path.

    Raises:
        StemsplitError: the file cannot be written.
    """
    path = file or results_file()
    kept = {measurement.key: measurement for measurement in read_measurements(path)}
    for measurement in new:
        kept.pop(measurement.key, None)  # so that the newest come last
        kept[measurement.key] = measurement
    document = {
        "schema": SCHEMA,
        "measurements": [measurement.as_json() for measurement in kept.values()],
    }
    part = path.with_name(f".{path.name}-{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(json.dumps(document, indent=1), encoding="utf-8")
            durable.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StemsplitError(
            f"The measurements cannot be kept in {path}: {error.strerror or error}.",
            hint="Set STEMSPLIT_CACHE to a folder of your own.",
        ) from error
    return path


def best_of(model: str, measurements: Sequence[Measurement]) -> Measurement | None:
    """The model's fastest measurement with the versions of its latest one; None without any."""
    own = [each for each in measurements if each.model == model]
    same = [each for each in own if each.versions == own[-1].versions]
    return max(same, key=lambda each: each.realtime_factor, default=None)


def shown_speed(realtime_factor: float) -> str:
    """How many times faster than the music plays, with two digits or more."""
    digits = 2 if realtime_factor < 1 else 1 if realtime_factor < 100 else 0
    return f"{realtime_factor:.{digits}f} x"


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    # XDG Base Directory Specification: a relative path is to be ignored.
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    return Path(chosen) if os.path.isabs(chosen) else Path.home() / ".cache"  # noqa: PTH117
