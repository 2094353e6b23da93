"""Sounds that a command made itself, as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def write_wav_files(sounds: Mapping[Path, Tensor], *, sample_rate: int) -> None:
    """Writes sounds [C, T] of one length as WAV files of 24 bits, all or none.

    Raises:
        OutputExistsError: a file is there already.
    """
    from stemsplit.audio.channels import default_channels
    from stemsplit.audio.encode.encoders import Encoding
    from stemsplit.audio.write.writer import StemWriter, WritePolicy

    num_channels, num_samples = next(iter(sounds.values())).shape
    with StemWriter(
        {str(path): path for path in sounds},
        sample_rate=sample_rate,
        channels=default_channels(num_channels),
        num_samples=num_samples,
        encoding=Encoding(container="wav", subtype="24"),
        policy=WritePolicy(clip="clamp"),
    ) as writer:
        for path, samples in sounds.items():
            writer.write(str(path), samples)
        writer.commit()
