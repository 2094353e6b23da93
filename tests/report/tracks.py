"""Separated songs on disk, made without separating anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stemsplit.audio.source import hash_file
from stemsplit.engine.record import TrackRecord
from stemsplit.report.records import SeparatedTrack
from tests.audio.songs import Samples, write_sndfile

SAMPLE_RATE = 44_100


def clicks(seconds: float, *, gain: float = 0.5, every: float = 0.25) -> Samples:
    """Short clicks [2, T] from 0.1 s on, the same in both channels."""
    samples = np.zeros((2, round(seconds * SAMPLE_RATE)), np.float32)
    for start in np.arange(0.1, seconds - 0.01, every):
        at = round(start * SAMPLE_RATE)
        samples[:, at : at + 32] = gain * np.hanning(32)
    return samples


def write_track(
    folder: Path, stems: Mapping[str, Samples], original: Path | None = None, **changes: Any
) -> Path:
    """The record of a track in `folder`, with its stems beside it; `changes` go into the record."""
    folder.mkdir(parents=True, exist_ok=True)
    outputs = []
    num_samples = 0
    for name, samples in stems.items():
        path = write_sndfile(folder / f"{name}.wav", samples, subtype="PCM_24")
        num_samples = samples.shape[-1]
        outputs.append(
            {"stem": name, "file": path.name, "bytes": path.stat().st_size, "sha256": "0" * 64}
        )
    options = {"start_seconds": 0.0, "end_seconds": None, "mixes": []}
    record: dict[str, Any] = {
        "schema": 1,
        "stemsplit": "0.0.0",
        "model": {"name": folder.parent.name, "origin": "built in", "licence": "unknown"},
        "device": "cpu",
        "precision": "fp32",
        "input": {"path": str(original or folder / "song.wav")},
        "fingerprint": {
            "input_sha256": hash_file(original) if original else "1" * 64,
            "options": options,
        },
        "sample_rate": SAMPLE_RATE,
        "num_samples": num_samples,
        "gain_db": 0.0,
        "residual_db": -30.0,
        "warnings": [],
        "outputs": outputs,
        "measured": {"seconds": 1.0},
        **changes,
    }
    path = folder / "stemsplit.json"
    path.write_text(json.dumps(record), encoding="utf-8")
    return path


def read_track(file: Path) -> SeparatedTrack:
    """The track whose record lies at `file`."""
    return SeparatedTrack.of(file, TrackRecord.from_json(json.loads(file.read_bytes())))
