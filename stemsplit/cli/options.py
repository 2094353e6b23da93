"""All options of all commands, with the names that people know from demucs."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from stemsplit.cli.completion import (
    complete_devices,
    complete_inputs,
    complete_models,
    complete_sample_rates,
    complete_stems,
)
from stemsplit.cli.numbers import number, whole
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


class ClipModeName(str, Enum):
    """demucs' words."""

    rescale = "rescale"
    clamp = "clamp"
    none = "none"
    tanh = "tanh"


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


# The groups of the help, in their order there.
WHAT = "Song, model and stems"
FILES = "Files"
SOUND = "Sound"
SPEED = "Speed and quality"
RUN = "Run"
MESSAGES = "Messages and help"

MAX_THREADS = 1024
"""Each has a stack of its own: a million of them are a machine without memory."""

MODEL_VALUE = "NAME|PATH|hf://OWNER/REPO"
"""What stands for a model."""


def option(*names: str, group: str, **settings: Any) -> Any:
    """A typer.Option in a group of the help; the names that it takes may be in capitals, too."""
    return typer.Option(*names, rich_help_panel=group, case_sensitive=False, **settings)


# The options of `separate`, in the order of its help.
Inputs = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="INPUT...",
        help="Songs, folders of songs, playlists of local files (.m3u, .m3u8), and cue sheets, "
        "which cut a file into tracks (.cue); - is stdin.",
        readable=False,  # one that cannot be read is one song that fails, not the end of all
        rich_help_panel=WHAT,
        show_default=False,
        autocompletion=complete_inputs,
    ),
]
Models = Annotated[
    list[str] | None,
    option(
        "-m",
        "--model",
        "-n",
        "--name",
        group=WHAT,
        metavar=MODEL_VALUE,
        help="The model to run, one of `stemsplit models list` for example. vocals=A,*=B takes the "
        "vocals of one and the rest of another, A*2+B the mean of two. With --preview it may be "
        "given several times.",
        show_default="htdemucs, or spectral where that cannot be had",
        autocompletion=complete_models,
    ),
]
Quality = Annotated[
    QualityName | None,
    option(
        "--quality",
        group=WHAT,
        metavar="fast|balanced|best",
        help="Choose the model for the wanted stems and this device, and say which: about as fast "
        "as the music or faster, the best that a CPU bears (balanced), or the best there is.",
    ),
]
Licence = Annotated[
    LicenceName | None,
    option(
        "--licence",
        group=WHAT,
        metavar="permissive",
        help="Only models whose weights allow any use, as far as is known; alone, it chooses a "
        "balanced one.",
    ),
]
Stems = Annotated[
    str | None,
    option(
        "--stems",
        group=WHAT,
        metavar="A,B",
        help="Only these stems, such as vocals,drums.",
        show_default="all that the model has",
        autocompletion=complete_stems,
    ),
]
TwoStems = Annotated[
    str | None,
    option(
        "--two-stems",
        group=WHAT,
        metavar="STEM",
        help="STEM and no_STEM, for karaoke say.",
        autocompletion=complete_stems,
    ),
]
Complement = Annotated[
    ComplementName,
    option(
        "--complement",
        "--other-method",
        group=WHAT,
        metavar="subtract|sum|none",
        help="no_STEM is the mixture minus STEM (subtract), the sum of the other stems (sum), "
        "or not written (none).",
    ),
]
Then = Annotated[
    list[str] | None,
    option(
        "--then",
        group=WHAT,
        metavar='"STEM: MODEL"',
        help='Take a stem apart as well: "vocals: karaoke", "drums: drumsep". May be given several '
        "times, also for what an earlier one made.",
    ),
]
Mixes = Annotated[
    list[str] | None,
    option(
        "--mix",
        group=WHAT,
        metavar='"NAME = SUM"',
        help='Write a mix: "practice = mixture - drums + 0.5*vocals". With mixes, stems are '
        "written only if --stems names them. May be given several times.",
    ),
]
Residual = Annotated[
    bool, option("--residual", group=WHAT, help="Also write the mixture minus all stems.")
]
SumToMix = Annotated[
    bool,
    option("--sum-to-mix", group=WHAT, help="Put whatever the stems leave over into `other`."),
]
Track = Annotated[
    int,
    option(
        "--track",
        group=WHAT,
        parser=whole("--track", 1),
        metavar="N",
        help="Which audio track of a video, or of a file with several, is the song.",
    ),
]
Start = Annotated[
    str,
    option("--start", group=WHAT, metavar="SECONDS|M:SS", help="Only from here on, to the sample."),
]
End = Annotated[
    str | None,
    option(
        "--end",
        group=WHAT,
        metavar="SECONDS|M:SS",
        help="Only up to here.",
        show_default="the song's end",
    ),
]

OutputDir = Annotated[
    Path,
    option("-o", "--output", "--out", group=FILES, metavar="FOLDER", help="Where the stems go."),
]
Template = Annotated[
    str,
    option(
        "--template",
        "--filename",
        group=FILES,
        metavar="NAMES",
        help="Where each stem goes in there. {root} is the name of the folder that was given, "
        "{dir} the song's folders below that, {track} its own name, {original_ext} its extension, "
        "{id} digits for its whole path; {ext} is the format's.",
    ),
]
Format = Annotated[
    FormatName | None,
    option(
        "--format",
        group=FILES,
        metavar="wav|flac|aiff|mp3|ogg|opus|m4a|stem.mp4",
        help="Kind of file; stem.mp4 is one for DJ software.",
        show_default="wav",
    ),
]
BitDepth = Annotated[
    BitDepthName | None,
    option(
        "--bit-depth",
        group=FILES,
        metavar="16|24|32f",
        help="Bits per sample of wav, aiff, flac and ALAC; 32f is floating point (wav and aiff).",
        show_default="24",
    ),
]
Bitrate = Annotated[
    str | None,
    option(
        "--bitrate",
        group=FILES,
        metavar="KBPS|V0-V9",
        help="Kilobits per second of mp3, ogg, opus and AAC; for mp3 also a variable rate, V0 "
        "being the best.",
        show_default="320 for mp3, else 256 in stereo",
    ),
]
Codec = Annotated[
    CodecName | None,
    option(
        "--codec",
        group=FILES,
        metavar="aac|alac",
        help="Of m4a and stem.mp4: aac is lossy, alac lossless.",
        show_default="aac",
    ),
]
NoTags = Annotated[
    bool,
    option("--no-tags", group=FILES, help="Leave the song's tags and cover out of the stems."),
]
Overwrite = Annotated[
    bool, option("--overwrite", group=FILES, help="Replace outputs that are already there.")
]
Report = Annotated[
    bool,
    option(
        "--report", group=FILES, help="Also write report.html, a page to listen to and to read."
    ),
]
Embed = Annotated[
    bool,
    option(
        "--embed",
        group=FILES,
        help="Put compressed copies of all sounds into the page, so that it can be sent away.",
    ),
]
OpenPage = Annotated[
    bool | None,
    option(
        "--open/--no-open",
        group=FILES,
        help="Open the page in the browser.",
        show_default="only after --preview, on a desktop",
    ),
]

SampleRate = Annotated[
    str,
    option(
        "--sample-rate",
        group=SOUND,
        metavar="source|model|HZ",
        help="Sample rate of the stems: the song's, the model's, or another.",
        autocompletion=complete_sample_rates,
    ),
]
Clip = Annotated[
    ClipName | None,
    option(
        "--clip",
        group=SOUND,
        metavar="common|clamp|none",
        help="If a stem would clip: one gain for all stems (common), cut the peaks (clamp), "
        "or cut and warn (none). Floating point is never touched.",
        show_default="common",
    ),
]
Dither = Annotated[
    bool,
    option(
        "--dither", group=SOUND, help="Triangular noise of one step before rounding to integers."
    ),
]
Lfe = Annotated[
    str | None,
    option(
        "--lfe",
        group=SOUND,
        metavar="STEM",
        help="The stem that gets the low-frequency channel of surround songs.",
        show_default="bass, if the model has it",
        autocompletion=complete_stems,
    ),
]

Device = Annotated[
    str,
    option(
        "-d",
        "--device",
        group=SPEED,
        metavar="auto|cpu|cuda[:N]|mps",
        help="Where to compute; with cuda:0,cuda:1 the songs are shared out.",
        autocompletion=complete_devices,
    ),
]
Precision = Annotated[
    PrecisionName,
    option(
        "--precision",
        group=SPEED,
        metavar="auto|fp32|bf16|fp16",
        help="Precision of the network.",
    ),
]
BatchSize = Annotated[
    str,
    option(
        "--batch-size", group=SPEED, metavar="auto|N", help="Chunks that the network sees at once."
    ),
]
Threads = Annotated[
    int | None,
    option(
        "--threads",
        group=SPEED,
        parser=whole("--threads", 1, MAX_THREADS),
        metavar="N",
        help="CPU threads.",
        show_default="one for each core",
    ),
]
Overlap = Annotated[
    float | None,
    option(
        "--overlap",
        group=SPEED,
        parser=number("--overlap"),
        metavar="SHARE",
        help="Share of each chunk, in [0, 1), that the next one covers as well.",
        show_default="the model's, mostly 0.25",
    ),
]
Segment = Annotated[
    float | None,
    option(
        "--segment",
        group=SPEED,
        parser=number("--segment"),
        metavar="SECONDS",
        help="Length of the chunks.",
        show_default="the model's",
    ),
]
Shifts = Annotated[
    int,
    option(
        "--shifts",
        group=SPEED,
        parser=whole("--shifts"),
        metavar="N",
        help="Random time shifts to average over, each as much work as the song; 0 is none.",
    ),
]
Seed = Annotated[
    int,
    option(
        "--seed",
        group=SPEED,
        parser=whole("--seed"),
        metavar="N",
        help="For the random shifts.",
    ),
]

DryRun = Annotated[
    bool,
    option(
        "--dry-run", group=RUN, help="Only say what would be done, and about how long it takes."
    ),
]
Preview = Annotated[
    bool,
    option(
        "--preview",
        group=RUN,
        help="Separate only the busiest 20 seconds, with every --model, and write a page to "
        "compare them; all below FOLDER/preview.",
    ),
]
Offline = Annotated[bool, option("--offline", group=RUN, help="Never touch the network.")]
Json = Annotated[bool, option("--json", group=MESSAGES, help="Print JSON Lines on stdout.")]
Quiet = Annotated[bool, option("-q", "--quiet", group=MESSAGES, help="Say only what went wrong.")]
Verbose = Annotated[bool, option("-v", "--verbose", group=MESSAGES, help="Say more, and why.")]
Debug = Annotated[bool, option("--debug", group=MESSAGES, help="Show Python tracebacks.")]

# What people know from demucs (`stemsplit.cli.from_demucs`).
Mp3 = Annotated[bool, typer.Option("--mp3", hidden=True)]
Mp3Bitrate = Annotated[str | None, typer.Option("--mp3-bitrate", hidden=True)]
Flac = Annotated[bool, typer.Option("--flac", hidden=True)]
Int24 = Annotated[bool, typer.Option("--int24", hidden=True)]
Float32 = Annotated[bool, typer.Option("--float32", hidden=True)]
Jobs = Annotated[int | None, typer.Option("-j", "--jobs", parser=whole("--jobs"), hidden=True)]
NoSplit = Annotated[bool, typer.Option("--no-split", hidden=True)]
Mp3Preset = Annotated[
    int | None,
    typer.Option("--mp3-preset", parser=whole("--mp3-preset", 2, 7), hidden=True),
]
ClipMode = Annotated[ClipModeName | None, typer.Option("--clip-mode", hidden=True)]
ListModels = Annotated[bool, typer.Option("--list-models", hidden=True)]
Repo = Annotated[Path | None, typer.Option("--repo", hidden=True)]
Signature = Annotated[str | None, typer.Option("-s", "--sig", hidden=True)]
