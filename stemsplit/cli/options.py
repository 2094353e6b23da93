"""Options that several commands share, with the names that people know from demucs."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from stemsplit.errors import UsageError


def seconds(option: str, text: str) -> float:
    """A time in seconds, from 83.5 or 1:23.5 or 0:01:23.5.

    Raises:
        UsageError: it is neither.
    """
    match = re.fullmatch(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", text.strip())
    if match is None:
        raise UsageError(
            f"{option} {text!r} is no time.", hint="Use seconds such as 83.5, or 1:23.5."
        )
    hours, minutes, rest = match.groups(default="0")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


class Clip(str, Enum):
    common = "common"
    clamp = "clamp"
    none = "none"


class Format(str, Enum):
    wav = "wav"
    flac = "flac"
    aiff = "aiff"
    mp3 = "mp3"
    ogg = "ogg"
    opus = "opus"
    m4a = "m4a"
    stem_mp4 = "stem.mp4"


class CodecName(str, Enum):
    aac = "aac"
    alac = "alac"


class BitDepth(str, Enum):
    int16 = "16"
    int24 = "24"
    float32 = "32f"


class PrecisionName(str, Enum):
    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class ComplementName(str, Enum):
    """`minus` and `add` are demucs' words for `subtract` and `sum`."""

    subtract = "subtract"
    sum = "sum"
    none = "none"
    minus = "minus"
    add = "add"

    @property
    def canonical(self) -> str:
        return {"minus": "subtract", "add": "sum"}.get(self.value, self.value)


Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        "-n",
        "--name",
        metavar="NAME|PATH|hf://OWNER/REPO[@REV]",
        help="The model to run; `stemsplit models list` shows names. Default: htdemucs.",
    ),
]
OutputDir = Annotated[
    Path, typer.Option("-o", "--output", "--out", metavar="DIR", help="Where the stems go.")
]
Device = Annotated[
    str, typer.Option("-d", "--device", metavar="auto|cpu|cuda[:N]|mps", help="Where to compute.")
]
Precision = Annotated[PrecisionName, typer.Option(help="Precision of the network.")]
BatchSize = Annotated[
    str, typer.Option(metavar="auto|N", help="Chunks that the network sees at once.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="CPU threads; default: torch's choice.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Never touch the network.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON Lines on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say only what went wrong.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say more.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show Python tracebacks.")]
