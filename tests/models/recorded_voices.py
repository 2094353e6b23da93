"""Real voices at 16 kHz, mono, where the machine has them beside the repository."""

from __future__ import annotations

from pathlib import Path

import pytest
import soundfile
import torch
from torch import Tensor

SPEECH = Path(__file__).resolve().parents[3] / "shared" / "audio" / "speech"
SPEAKERS = ("allison-en", "carlo-it", "june-fr")
"""Each has a recording of that name, and another one with "-reference" behind it."""


def recorded(name: str) -> Tensor:
    """A recording [1, T]; skips the test where it is not there."""
    path = SPEECH / f"{name}.flac"
    if not path.is_file():
        pytest.skip(f"needs the recording {path}")
    samples, rate = soundfile.read(path, dtype="float32")
    assert rate == 16_000
    return torch.from_numpy(samples)[None]
