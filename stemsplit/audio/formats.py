"""Which formats there are, and what each of them can hold: data and checks, no encoder."""

from __future__ import annotations

from collections.abc import Container as Values
from dataclasses import dataclass
from typing import Literal, get_args

from stemsplit.audio.write.stem_layout import SAMPLE_RATES
from stemsplit.errors import AudioWriteError, UsageError

SampleRate = int | Literal["source", "model"]
"""Of outputs: in Hz, or the rate of the song, or that of the model."""

Container = Literal["wav", "flac", "aiff", "mp3", "ogg", "opus", "m4a", "stem.mp4"]
Subtype = Literal["16", "24", "32f"]
Codec = Literal["aac", "alac"]
ClipPolicy = Literal["common", "clamp", "none"]
"""What happens to peaks above full scale: one gain for all stems, or cut, or cut with a warning."""

Kind = Literal["wav", "flac", "aiff", "mp3", "ogg", "opus", "aac", "alac"]

FOUR_GIB = 0xFFFF_FFFF

# The sets of speakers that FLAC (RFC 9639, table 14) and Vorbis know, in the order of WAV.
_XIPH_LAYOUTS = (
    ("FL", "FR", "FC"),
    ("FL", "FR", "BL", "BR"),
    ("FL", "FR", "FC", "BL", "BR"),
    ("FL", "FR", "FC", "LFE", "BL", "BR"),
    ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"),
    ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
)
# Those that the channel configurations 3 to 6 of MPEG-4 audio stand for, which ALAC shares.
_MPEG_LAYOUTS = (
    ("FL", "FR", "FC"),
    ("FL", "FR", "FC", "BC"),
    ("FL", "FR", "FC", "BL", "BR"),
    ("FL", "FR", "FC", "LFE", "BL", "BR"),
)
_MPEG_AUDIO_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one kind of stream can hold. Mono and stereo always fit; None stands for anything.

    `subtypes` is empty for lossy kinds; its first entry is the default. `bitrates` are kbit/s.
    """

    title: str
    subtypes: tuple[Subtype, ...] = ()
    bitrates: Values[int | str] = ()
    sample_rates: Values[int] | None = None
    layouts: tuple[tuple[str, ...], ...] | None = ()
    max_bytes: int | None = None
    can_be_empty: bool = True


_VBR = tuple(f"V{quality}" for quality in range(10))
_MP3_BITRATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)

LIMITS: dict[Kind, Limits] = {
    "wav": Limits(title="WAV", subtypes=("24", "16", "32f"), layouts=None),
    "flac": Limits(
        title="FLAC",
        subtypes=("24", "16"),
        sample_rates=range(1, 655_351),
        layouts=_XIPH_LAYOUTS,
    ),
    "aiff": Limits(
        title="AIFF", subtypes=("24", "16", "32f"), layouts=None, max_bytes=FOUR_GIB - 4096
    ),
    "mp3": Limits(
        title="MP3",
        bitrates=_MP3_BITRATES + _VBR,
        sample_rates=_MPEG_AUDIO_RATES,
        can_be_empty=False,
    ),
    "ogg": Limits(
        title="Ogg Vorbis",
        bitrates=range(64, 501),
        sample_rates=range(8000, 192_001),
        layouts=_XIPH_LAYOUTS,
    ),
    "opus": Limits(
        title="Opus",
        bitrates=range(16, 511),
        # It decodes to this rate whatever the encoder was given, so no other keeps a length.
        sample_rates=(48000,),
        # Without 5.0 and 6.1: ffmpeg's encoder puts three of their channels in each other's places.
        layouts=tuple(layout for layout in _XIPH_LAYOUTS if len(layout) not in (5, 7)),
        can_be_empty=False,
    ),
    "aac": Limits(
        title="AAC",
        bitrates=range(32, 513),
        sample_rates=(*_MPEG_AUDIO_RATES, 64000, 88200, 96000),
        layouts=_MPEG_LAYOUTS,
        can_be_empty=False,
    ),
    "alac": Limits(
        title="ALAC",
        subtypes=("24", "16"),
        sample_rates=range(1, 384_001),
        layouts=_MPEG_LAYOUTS,
        can_be_empty=False,
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoding:
    """How samples are stored.

    `subtype` is the bit depth: 16 or 24 bit integers or 32 bit float, None for lossy formats.
    `codec` is that of an MP4 file, None elsewhere. Left out, both become the format's default.
    `bitrate` is in kbit/s for all channels together, or "V0" to "V9" (MP3, variable); None is the
    encoder's default. `dither` adds triangular noise before rounding to integers.

    Raises:
        UsageError: the fields contradict each other.
    """

    container: Container = "wav"
    subtype: Subtype | None = None
    codec: Codec | None = None
    bitrate: int | str | None = None
    dither: bool = False

    def __post_init__(self) -> None:
        if self.container not in get_args(Container):
            raise UsageError(
                f"Unknown output format {self.container!r}.",
                hint=f"Choose one of: {', '.join(get_args(Container))}.",
            )
        self._settle_codec()
        self._settle_subtype()
        self._check_bitrate()
        if self.dither and not self.is_integer:
            raise UsageError(
                f"Dither is for 16 and 24 bit integers, not for {self}.",
                hint="Leave out `dither`.",
            )

    def _settle_codec(self) -> None:
        if self.container in ("m4a", "stem.mp4"):
            if self.codec is None:
                object.__setattr__(self, "codec", "aac")
        elif self.codec is not None:
            raise UsageError(
                f"A codec can be chosen for m4a and stem.mp4, not for {self.container}.",
                hint="Leave out `codec`, or use `format='m4a'`.",
            )
        if self.codec not in (None, *get_args(Codec)):
            raise UsageError(
                f"Unknown codec {self.codec!r}.",
                hint=f"Choose one of: {', '.join(get_args(Codec))}.",
            )

    def _settle_subtype(self) -> None:
        offered = self.limits.subtypes
        if self.subtype is None:
            object.__setattr__(self, "subtype", offered[0] if offered else None)
        elif self.subtype not in get_args(Subtype):
            raise UsageError(
                f"Unknown bit depth {self.subtype!r}.",
                hint=f"Choose one of: {', '.join(get_args(Subtype))}.",
            )
        elif not offered:
            lossless = "`codec='alac'`" if self.codec else "wav, flac or aiff"
            raise UsageError(
                f"{self.limits.title} is lossy and has no bit depth.",
                hint=f"Leave out `bit_depth`, or use {lossless}.",
            )
        elif self.subtype not in offered:
            raise UsageError(
                f"{self.limits.title} stores integers only, so it cannot hold 32 bit float.",
                hint="Use wav or aiff for float, or `bit_depth='24'`.",
            )

    def _check_bitrate(self) -> None:
        if self.bitrate is None or self.bitrate in self.limits.bitrates:
            return
        if not self.is_lossy:
            raise UsageError(
                f"{self.limits.title} is lossless: its bit rate follows from the music.",
                hint="Leave out `bitrate`, or use mp3, ogg, opus or m4a.",
            )
        raise UsageError(
            f"{self.limits.title} has no bit rate {self.bitrate}.",
            hint=f"Use {_list_bitrates(self.limits.bitrates)}.",
        )

    @property
    def kind(self) -> Kind:
        """The codec in an MP4 file, else the container: what decides about limits and encoder."""
        if self.codec is not None:
            return self.codec
        return self.container  # type: ignore[return-value]  # the MP4 containers have a codec

    @property
    def limits(self) -> Limits:
        return LIMITS[self.kind]

    @property
    def extension(self) -> str:
        """The end of the file's name, without the dot."""
        return self.container

    @property
    def is_lossy(self) -> bool:
        return not self.limits.subtypes

    @property
    def is_float(self) -> bool:
        """Whether every sample is stored as it is, beyond full scale too."""
        return self.subtype == "32f"

    @property
    def is_integer(self) -> bool:
        return self.subtype in ("16", "24")

    @property
    def num_bits(self) -> int:
        """Bits per stored sample; lossy encoders are given 32 bit float."""
        return int(self.subtype) if self.subtype in ("16", "24") else 32

    @property
    def sample_limits(self) -> tuple[float, float]:
        """The lowest and the highest sample that survives; infinite for float.

        Lossy formats have no limit of their own, but players turn them into integers.
        """
        if self.is_float:
            return -float("inf"), float("inf")
        return -1.0, 1.0 if self.is_lossy else 1 - 2.0 ** (1 - self.num_bits)

    @property
    def only_sample_rate(self) -> int | None:
        """The rate of a format that has only one."""
        rates = self.limits.sample_rates
        return rates[0] if isinstance(rates, tuple) and len(rates) == 1 else None

    def takes_sample_rate(self, sample_rate: int) -> bool:
        return self.limits.sample_rates is None or sample_rate in self.limits.sample_rates

    def check_sample_rate(self, sample_rate: SampleRate) -> None:
        """Raises UsageError for a rate that no output should have, or no stem file."""
        if not isinstance(sample_rate, int):
            return
        if self.container == "stem.mp4" and sample_rate not in SAMPLE_RATES:
            raise UsageError(
                f"A stem file has 44100 or 48000 Hz, not {sample_rate} Hz.",
                hint="Leave out `sample_rate`.",
            )
        if not 1_000 <= sample_rate <= 768_000:
            raise UsageError(f"`sample_rate` must be 1000 to 768000 Hz, got {sample_rate}.")

    def __str__(self) -> str:
        """As one would say it: "Opus", "24 bit WAV"."""
        if self.is_lossy:
            return self.limits.title
        return f"{self.num_bits} bit {'float ' if self.is_float else ''}{self.limits.title}"


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamFormat:
    """All that an encoder must know before the first sample.

    `channels` are ffmpeg's short names ("FL", "FR", "LFE", ...), in the order of the samples.

    Raises:
        AudioWriteError: the encoding cannot hold such a stream.
    """

    encoding: Encoding
    sample_rate: int
    channels: tuple[str, ...]
    num_samples: int

    def __post_init__(self) -> None:
        limits = self.encoding.limits
        if not self.encoding.takes_sample_rate(self.sample_rate):
            raise AudioWriteError(
                f"{limits.title} cannot hold a sample rate of {self.sample_rate} Hz.",
                hint="Use `sample_rate=48000`, `format='wav'` or `format='flac'`.",
            )
        if not self._layout_fits(limits):
            raise AudioWriteError(
                f"{limits.title} cannot hold the {self.num_channels} channels "
                f"{'+'.join(self.channels)}.",
                hint="Use `format='wav'`, which holds any.",
            )
        if not self.num_samples and not limits.can_be_empty:
            raise AudioWriteError(
                f"{limits.title} cannot hold a track without any samples.",
                hint="Use `format='wav'` or `format='flac'`.",
            )
        if limits.max_bytes is not None and self.num_data_bytes > limits.max_bytes:
            raise AudioWriteError(
                f"{limits.title} holds 4 GiB, and this track needs {self.num_data_bytes} bytes.",
                hint="Use `format='wav'` or `format='flac'`.",
            )

    @property
    def num_channels(self) -> int:
        return len(self.channels)

    @property
    def num_data_bytes(self) -> int:
        """Bytes of the samples where they are stored as they are."""
        return self.num_samples * self.num_channels * self.encoding.num_bits // 8

    def _layout_fits(self, limits: Limits) -> bool:
        return (
            self.num_channels <= 2
            or limits.layouts is None
            or surround_as_back(self.channels) in limits.layouts
        )


def surround_as_back(channels: tuple[str, ...]) -> tuple[str, ...]:
    """The layout with its one pair of surround speakers called BL and BR.

    Formats that know only one such pair do not tell those at the side from those at the back.
    """
    if {"BL", "BR", "BC"} & set(channels):
        return channels
    return tuple({"SL": "BL", "SR": "BR"}.get(name, name) for name in channels)


def _list_bitrates(bitrates: Values[int | str]) -> str:
    if isinstance(bitrates, range):
        return f"{bitrates[0]} to {bitrates[-1]} kbit/s"
    if isinstance(bitrates, tuple):
        constant = [str(bitrate) for bitrate in bitrates if isinstance(bitrate, int)]
        return f"{', '.join(constant)} kbit/s, or V0 (best) to V9"
    return "another one"
