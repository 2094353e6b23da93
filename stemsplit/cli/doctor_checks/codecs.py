"""Which formats can be written and read here: tried out, not looked up."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from stemsplit.audio.encode.encoders import Codec, Container, Encoding
from stemsplit.audio.source import read_blocks
from stemsplit.cli.doctor_checks.finding import Finding, Status
from stemsplit.cli.doctor_checks.tone import TrialError, check_tone, write_tone
from stemsplit.errors import StemsplitError
from stemsplit.quoting import reason

TOPIC = "codecs"

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
    try:
        write_tone(path, encoding)
    except Exception as error:  # a library that has changed raises whatever it likes
        # Stems are wav unless another format is asked for.
        status: Status = "problem" if encoding == Encoding() else "note"
        value = f"cannot be written: {_reason(error)}"
        return Finding(topic=TOPIC, name=name, value=value, status=status, fix=_FIX)
    try:
        check_tone(read_blocks(path), encoding)
    except TrialError as error:
        value = f"is not what was written: {_reason(error)}"
        return Finding(topic=TOPIC, name=name, value=value, status="problem", fix=_FIX)
    except Exception as error:
        value = f"can be written, but not read: {_reason(error)}"
        return Finding(topic=TOPIC, name=name, value=value, status="problem", fix=_FIX)
    return Finding(topic=TOPIC, name=name, value="writes and reads")


def _reason(error: Exception) -> str:
    if isinstance(error, StemsplitError):
        return error.message
    kind = "" if isinstance(error, TrialError) else f"{type(error).__name__}: "
    return kind + reason(error)
