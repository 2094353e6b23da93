"""Which formats can be written and read here: tried out, not looked up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import torch

from stemsplit.audio.encode import Codec, Container, Encoding
from stemsplit.audio.sink import StemWriter
from stemsplit.audio.source import read_blocks
from stemsplit.cli.doctor_checks.finding import Finding, Status
from stemsplit.errors import StemsplitError

TOPIC = "codecs"

_SAMPLE_RATE = 48000  # the one rate that every format has
_NUM_SAMPLES = 4801
_FIX = "pip install --force-reinstall soundfile av"


def check_codecs() -> Iterator[Finding]:
    """Every kind of file that stems can be written to, and read back."""
    with tempfile.TemporaryDirectory() as folder:
        for encoding in every_encoding():
            yield check_encoding(encoding, Path(folder, f"{encoding.kind}.{encoding.extension}"))


def every_encoding() -> list[Encoding]:
    """One encoding for each encoder that there is."""
    encodings: dict[str, Encoding] = {}
    for container in get_args(Container):
        default = Encoding(container=container)
        codecs = get_args(Codec) if default.codec else (None,)
        for codec in codecs:
            encoding = Encoding(container=container, codec=codec)
            encodings.setdefault(encoding.kind, encoding)
    return list(encodings.values())


def check_encoding(encoding: Encoding, path: Path) -> Finding:
    """Whether a tenth of a second survives: written to `path` and read back, to the sample."""
    name = encoding.limits.title
    tone = 0.1 * torch.sin(torch.arange(_NUM_SAMPLES) * 0.06).expand(2, -1)  # [C, T]
    try:
        with StemWriter(
            {name: path},
            sample_rate=_SAMPLE_RATE,
            num_channels=2,
            num_samples=_NUM_SAMPLES,
            encoding=encoding,
        ) as writer:
            writer.write(name, tone)
            writer.commit()
    except (StemsplitError, RuntimeError, ValueError) as error:
        # Stems are wav unless another format is asked for.
        status: Status = "problem" if encoding == Encoding() else "note"
        value = f"cannot be written: {_reason(error)}"
        return Finding(topic=TOPIC, name=name, value=value, status=status, fix=_FIX)
    try:
        num_read = sum(block.shape[-1] for block in read_blocks(path))
    except StemsplitError as error:
        value = f"can be written, but not read: {_reason(error)}"
        return Finding(topic=TOPIC, name=name, value=value, status="problem", fix=_FIX)
    if num_read != _NUM_SAMPLES:
        value = f"{_NUM_SAMPLES} samples were written, {num_read} came back"
        return Finding(topic=TOPIC, name=name, value=value, status="note", fix=_FIX)
    return Finding(topic=TOPIC, name=name, value="writes and reads")


def _reason(error: Exception) -> str:
    return error.message if isinstance(error, StemsplitError) else str(error)
