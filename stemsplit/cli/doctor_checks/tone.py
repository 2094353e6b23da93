"""A tenth of a second of sound that is written, read back and compared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from stemsplit.audio.channels import default_channels
from stemsplit.audio.encode.encoders import Encoding
from stemsplit.audio.write.writer import StemWriter
from stemsplit.dsp.difference import signal_to_difference_db

SAMPLE_RATE = 48000  # the one rate that every format has
NUM_SAMPLES = 4801
_LEAST_DB = {"lossless": 80.0, "lossy": 6.0}


class TrialError(Exception):
    """Something was read, and it is not what was written."""


def tone() -> Tensor:
    """Two channels [C, T] that differ, so that none can pass for the other."""
    time = torch.arange(NUM_SAMPLES)
    return torch.stack([0.1 * torch.sin(time * 0.06), 0.2 * torch.sin(time * 0.045)])


def write_tone(path: Path, encoding: Encoding) -> None:
    """Writes the tone to a new file.

    Raises:
        StemsplitError, RuntimeError, ValueError: it cannot be written.
    """
    with StemWriter(
        {"tone": path},
        encoding=encoding,
        sample_rate=SAMPLE_RATE,
        channels=default_channels(2),
        num_samples=NUM_SAMPLES,
    ) as writer:
        writer.write("tone", tone())
        writer.commit()


def check_tone(blocks: Iterable[Tensor], encoding: Encoding) -> None:
    """Raises TrialError unless the blocks [C, T] are the tone, as well as the encoding keeps it."""
    found = torch.cat([torch.as_tensor(block) for block in blocks], dim=-1)
    title = encoding.limits.title
    if found.shape != (2, NUM_SAMPLES):
        raise TrialError(
            f"{NUM_SAMPLES} samples were written as {title}, {found.shape[-1]} came back"
        )
    distance = signal_to_difference_db(tone(), found)
    if not distance >= _LEAST_DB["lossy" if encoding.is_lossy else "lossless"]:
        raise TrialError(f"another sound came back from {title}, {distance:.0f} dB from it")
