"""All options of all commands, with the names that people know from demucs."""

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


class ClipName(str, Enum):
    common = "common"
    clamp = "clamp"
    none = "none"


class FormatName(str, Enum):
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


class BitDepthName(str, Enum):
    int16 = "16"
    int24 = "24"
    float32 = "32f"


class PrecisionName(str, Enum):
    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    fp16 = "fp16"


class QualityName(str, Enum):
    fast = "fast"
    balanced = "balanced"
    best = "best"


class LicenceName(str, Enum):
    permissive = "permissive"


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


Models = Annotated[
    list[str] | None,
    typer.Option(
        "-m",
        "--model",
        "-n",
        "--name",
        metavar="NAME|PATH|hf://OWNER/REPO[@REV]",
        help="The model to run; `stemsplit models list` shows names. Default: htdemucs. Several: "
        "vocals=A,*=B takes the vocals of one and the rest of another, A*2+B the mean of two. May "
        "be given several times with --preview.",
    ),
]
Then = Annotated[
    list[str] | None,
    typer.Option(
        "--then",
        metavar="STEM: MODEL",
        help='Take a stem apart as well: "vocals: karaoke", "drums: drumsep". May be given several '
        "times, also for what an earlier one made.",
    ),
]
Quality = Annotated[
    QualityName | None,
    typer.Option(
        help="Choose the model for the wanted stems and this device, and say which: about as fast "
        "as the music or faster, the best that a CPU bears (balanced), or the best there is.",
        show_default=False,
    ),
]
Licence = Annotated[
    LicenceName | None,
    typer.Option(
        help="Only models whose weights allow any use, as far as is known; alone, it chooses a "
        "balanced one.",
        show_default=False,
    ),
]
OutputDir = Annotated[
    Path, typer.Option("-o", "--output", "--out", metavar="DIR", help="Where the stems go.")
]
Device = Annotated[
    str,
    typer.Option(
        "-d",
        "--device",
        metavar="auto|cpu|cuda[:N]|mps",
        help="Where to compute; with cuda:0,cuda:1 the songs are shared out.",
    ),
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

# The options of `separate`, in the order of its help.
Inputs = Annotated[
    list[Path],
    # One that cannot be read is one song that fails, not the end of all others.
    typer.Argument(
        metavar="INPUT", help="Songs, and folders of songs; - is stdin.", readable=False
    ),
]
Template = Annotated[
    str,
    typer.Option("--template", "--filename", help="Where each stem goes below the output."),
]
Stems = Annotated[
    str | None, typer.Option(metavar="A,B", help="Only these stems, e.g. vocals,drums.")
]
TwoStems = Annotated[
    str | None, typer.Option(metavar="STEM", help="STEM and no_STEM, e.g. for karaoke.")
]
Complement = Annotated[
    ComplementName,
    typer.Option(
        "--complement",
        "--other-method",
        help="no_STEM is the mixture minus STEM (subtract), the sum of the other stems (sum), "
        "or not written (none).",
    ),
]
Residual = Annotated[
    bool, typer.Option("--residual", help="Also write the mixture minus all stems.")
]
SumToMix = Annotated[
    bool,
    typer.Option("--sum-to-mix", help="Put into `other` whatever the stems leave over."),
]
Mixes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=SUM",
        help='Write a mix: "practice = mixture - drums + 0.5*vocals". With mixes, stems are '
        "written only if --stems names them. May be given several times.",
    ),
]
Lfe = Annotated[
    str | None,
    typer.Option(metavar="STEM", help="Where the LFE channel goes; default: bass."),
]
Start = Annotated[
    str, typer.Option(metavar="SECONDS|M:SS", help="Only from here on, to the sample.")
]
End = Annotated[str | None, typer.Option(metavar="SECONDS|M:SS", help="Only up to here.")]
Format = Annotated[
    FormatName | None,
    typer.Option("--format", help="Kind of file; default: wav. m4a is AAC unless --codec."),
]
BitDepth = Annotated[
    BitDepthName | None,
    typer.Option(
        help="Bits per sample of wav, aiff, flac and ALAC; 32f is floating point (wav and "
        "aiff). Default: 24."
    ),
]
Bitrate = Annotated[
    str | None,
    typer.Option(
        metavar="KBPS|V0-V9",
        help="Kilobits per second of mp3, ogg, opus and AAC; for mp3 also a variable rate, V0 "
        "being the best. Default: 320 for mp3, else 256 in stereo.",
    ),
]
Codec = Annotated[
    CodecName | None,
    typer.Option(help="Of m4a and stem.mp4: aac (lossy, the default) or alac (lossless)."),
]
Dither = Annotated[
    bool,
    typer.Option("--dither", help="Triangular noise of one step before rounding to integers."),
]
Mp3 = Annotated[bool, typer.Option("--mp3", hidden=True)]
Mp3Bitrate = Annotated[str | None, typer.Option("--mp3-bitrate", hidden=True)]
Flac = Annotated[bool, typer.Option("--flac", hidden=True)]
Int24 = Annotated[bool, typer.Option("--int24", hidden=True)]
Float32 = Annotated[bool, typer.Option("--float32", hidden=True)]
SampleRate = Annotated[
    str, typer.Option(metavar="source|model|HZ", help="Sample rate of the stems.")
]
Clip = Annotated[
    ClipName,
    typer.Option(
        help="If a stem would clip: one gain for all stems (common), cut the peaks (clamp), "
        "or cut and warn (none). Floating point is never touched."
    ),
]
NoTags = Annotated[
    bool, typer.Option("--no-tags", help="Leave the song's tags and cover out of the stems.")
]
Overlap = Annotated[
    float | None, typer.Option(help="Share of a chunk in [0, 1); default: the model's, 0.25.")
]
Segment = Annotated[
    float | None, typer.Option(metavar="SECONDS", help="Chunk length; default: the model's.")
]
Shifts = Annotated[
    int, typer.Option(help="Random time shifts to average over; 0: none, as fast as it gets.")
]
Seed = Annotated[int, typer.Option(help="For the random shifts.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace outputs that are already there.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would be done, and about how long.")
]
Preview = Annotated[
    bool,
    typer.Option(
        "--preview",
        help="Separate only the busiest 20 seconds, with every --model, and write a page to "
        "compare them; all below DIR/preview.",
    ),
]
Report = Annotated[
    bool,
    typer.Option("--report", help="Also write report.html, a page to listen to and to read."),
]
Embed = Annotated[
    bool,
    typer.Option(
        "--embed",
        help="Put compressed copies of all sounds into the page, so that it can be sent away.",
    ),
]
OpenPage = Annotated[
    bool | None,
    typer.Option(
        "--open/--no-open",
        help="Open the page in the browser. Default: only after --preview, on a desktop.",
        show_default=False,
    ),
]
