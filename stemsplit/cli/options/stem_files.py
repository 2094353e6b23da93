"""Where outputs go, and as what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stemsplit.audio.formats import ClipPolicy, Codec, Container, Encoding, SampleRate, Subtype
from stemsplit.batch.template import DEFAULT_TEMPLATE, check_template
from stemsplit.cli.completion import complete_sample_rates
from stemsplit.cli.from_demucs import ClipMode, clip_policy, template_of_ours
from stemsplit.cli.options.agreement import agreed, choose_sample_rate, parse_bitrate
from stemsplit.cli.options.declare import FILES, SOUND, option


def _template(_flag: str, text: str) -> str:
    return check_template(template_of_ours(text))


@dataclass(frozen=True, kw_only=True, slots=True)
class FileOptions:
    """The files of stems."""

    folder: Path = option(
        Path("separated"),
        "-o",
        "--output",
        "--out",
        panel=FILES,
        metavar="FOLDER",
        help="Where the stems go.",
    )
    template: str = option(
        DEFAULT_TEMPLATE,
        "--template",
        "--filename",
        panel=FILES,
        reads=_template,
        metavar="NAMES",
        help="Where each stem goes in there. {root} is the name of the folder that was given, "
        "{dir} the song's folders below that, {track} its own name, {original_ext} its extension, "
        "{id} digits for its whole path; {ext} is the format's.",
    )
    format: Container | None = option(
        None,
        panel=FILES,
        help="Kind of file; stem.mp4 is one for DJ software.",
        show_default="wav",
    )
    bit_depth: Subtype | None = option(
        None,
        panel=FILES,
        help="Bits per sample of wav, aiff, flac and ALAC; 32f is floating point (wav and aiff).",
        show_default="24",
    )
    bitrate: str | None = option(
        None,
        panel=FILES,
        metavar="KBPS|V0-V9",
        help="Kilobits per second of mp3, ogg, opus and AAC; for mp3 also a variable rate, V0 "
        "being the best.",
        show_default="320 for mp3, else 256 in stereo",
    )
    codec: Codec | None = option(
        None,
        panel=FILES,
        help="Of m4a and stem.mp4: aac is lossy, alac lossless.",
        show_default="aac",
    )
    no_tags: bool = option(
        False, panel=FILES, help="Leave the song's tags and cover out of the stems."
    )
    overwrite: bool = option(False, panel=FILES, help="Replace outputs that are already there.")
    sample_rate: str = option(
        "source",
        panel=SOUND,
        metavar="source|model|HZ",
        help="Sample rate of the stems: the song's, the model's, or another.",
        autocompletion=complete_sample_rates,
    )
    clip: ClipPolicy | None = option(
        None,
        panel=SOUND,
        help="If a stem would clip: one gain for all stems (common), cut the peaks (clamp), "
        "or cut and warn (none). Floating point is never touched.",
        show_default="common",
    )
    dither: bool = option(
        False, panel=SOUND, help="Triangular noise of one step before rounding to integers."
    )
    # What people know from demucs.
    mp3: bool = option(False, hidden=True)
    mp3_bitrate: str | None = option(None, hidden=True)
    flac: bool = option(False, hidden=True)
    int24: bool = option(False, hidden=True)
    float32: bool = option(False, hidden=True)
    clip_mode: ClipMode | None = option(None, hidden=True)

    def encoding(self) -> Encoding:
        """How samples are stored.

        Raises:
            UsageError: the options contradict each other.
        """
        container = agreed(
            format=self.format,
            flac="flac" if self.flac else None,
            mp3="mp3" if self.mp3 else None,
        )
        subtype = agreed(
            bit_depth=self.bit_depth,
            int24="24" if self.int24 else None,
            float32="32f" if self.float32 else None,
        )
        return Encoding(
            container=container or "wav",  # type: ignore[arg-type]
            subtype=subtype,  # type: ignore[arg-type]
            codec=self.codec,
            bitrate=parse_bitrate(agreed(bitrate=self.bitrate, mp3_bitrate=self.mp3_bitrate)),
            dither=self.dither,
        )

    def clip_policy(self) -> ClipPolicy:
        """What happens to peaks; UsageError if --clip and --clip-mode contradict each other."""
        return clip_policy(self.clip, self.clip_mode)

    def output_rate(self) -> SampleRate:
        """The rate of the stems; UsageError for one that the format cannot hold."""
        return choose_sample_rate(self.sample_rate, self.encoding())


@dataclass(frozen=True, kw_only=True, slots=True)
class PageOptions:
    """Pages about the stems."""

    report: bool = option(
        False, panel=FILES, help="Also write report.html, a page to listen to and to read."
    )
    embed: bool = option(
        False,
        panel=FILES,
        help="Put compressed copies of all sounds into the page, so that it can be sent away.",
    )
    open_page: bool | None = option(
        None,
        "--open/--no-open",
        panel=FILES,
        help="Open the page in the browser.",
        show_default="only after --preview, on a desktop",
    )
