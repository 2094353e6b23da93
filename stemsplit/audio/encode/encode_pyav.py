"""Encoders of ffmpeg's libraries (PyAV): Opus, and AAC and ALAC in MP4.

All write what a decoder must drop: Opus its pre-skip and last granule position, MP4 an edit list.
The edit list counts in samples, not in ffmpeg's default of milliseconds, so that the length in it
is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.codec.context import Flags
from numpy.typing import NDArray
from torch import Tensor

from stemsplit.audio.formats import StreamFormat, surround_as_back

Array = NDArray[Any]

_DEFAULT_PER_CHANNEL = 128
# AAC frames (1024 samples) hold at most 6144 bits per channel, and Opus at most 256 kbit/s.
_AAC_FRAME_SAMPLES, _AAC_FRAME_BITS = 1024, 6144
_OPUS_MAX_PER_CHANNEL = 256

_LAYOUTS = {
    ("FL", "FR", "FC"): "3.0",
    ("FL", "FR", "FC", "BC"): "4.0",
    ("FL", "FR", "BL", "BR"): "quad",
    ("FL", "FR", "FC", "BL", "BR"): "5.0",
    ("FL", "FR", "FC", "LFE", "BL", "BR"): "5.1",
    ("FL", "FR", "FC", "LFE", "BC", "SL", "SR"): "6.1",
    ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"): "7.1",
}


@dataclass(frozen=True, slots=True)
class _Codec:
    """ffmpeg's names for a kind of file, and `arrange`, which turns [C, T] into its samples.

    `lead_samples` of silence come before the song, at negative times, and are not played.
    """

    name: str
    muxer: str
    sample_format: str
    arrange: Callable[[Array], Array]
    muxer_options: dict[str, str] = field(default_factory=dict)
    bit_rate: int | None = None
    lead_samples: int = 0


class PyavEncoder:
    """One stream in one file, written through Python, which reports why a disk takes no more."""

    def __init__(
        self,
        path: Path,
        form: StreamFormat,
        codec: _Codec,
    ) -> None:
        self._codec = codec
        self._sample_rate = form.sample_rate
        channels = surround_as_back(form.channels)
        self._layout = _LAYOUTS.get(channels) or ("mono", "stereo")[form.num_channels - 1]
        self._position = -codec.lead_samples
        self._file = path.open("xb")
        try:
            with as_os_error():
                # "bitexact": no version of ffmpeg, no time and no random serial number.
                self._container = av.open(
                    self._file,
                    "w",
                    format=codec.muxer,
                    options={"fflags": "+bitexact", **codec.muxer_options},
                )
                self._stream: Any = self._container.add_stream(
                    codec.name, rate=form.sample_rate, layout=self._layout
                )
                context = self._stream.codec_context
                context.format = av.AudioFormat(codec.sample_format)
                context.time_base = Fraction(1, form.sample_rate)
                context.flags |= Flags.bitexact
                if codec.bit_rate is not None:
                    context.bit_rate = codec.bit_rate
                self._container.start_encoding()
            if codec.lead_samples:
                self._encode(np.zeros((form.num_channels, codec.lead_samples), np.float32))
        except BaseException:
            self._file.close()
            raise

    def write(self, samples: Tensor) -> None:
        if samples.shape[-1]:
            self._encode(samples.numpy())

    def _encode(self, samples: Array) -> None:
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(self._codec.arrange(samples)),
            format=self._codec.sample_format,
            layout=self._layout,
        )
        frame.sample_rate = self._sample_rate
        frame.time_base = Fraction(1, self._sample_rate)
        frame.pts = self._position
        self._position += samples.shape[-1]
        with as_os_error():
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        with self._file, as_os_error():
            try:
                self._container.mux(self._stream.encode(None))
            finally:
                self._container.close()


def open_opus(path: Path, form: StreamFormat) -> PyavEncoder:
    """Opus in Ogg. The default bit rate is more than listeners need, since stems get mixed."""
    highest = _OPUS_MAX_PER_CHANNEL * form.num_channels
    codec = _Codec("libopus", "ogg", "flt", _interleaved, bit_rate=_bit_rate(form, highest))
    return PyavEncoder(path, form, codec)


def open_aac(path: Path, form: StreamFormat) -> PyavEncoder:
    """AAC (low complexity) in MP4; a bit rate that is too high becomes the highest there is.

    ffmpeg's encoder spoils the first frame that it sees: music that starts at once had a click
    (an error of 0.2 of full scale after 12 ms, and 28 instead of 39 dB over a whole second). So it
    sees a frame of silence first, which the edit list skips.
    """
    highest = _AAC_FRAME_BITS * form.sample_rate // _AAC_FRAME_SAMPLES // 1000 * form.num_channels
    codec = _Codec(
        "aac",
        "ipod",
        "fltp",
        _planar,
        _exact_edit_list(form),
        _bit_rate(form, highest),
        lead_samples=_AAC_FRAME_SAMPLES,
    )
    return PyavEncoder(path, form, codec)


def open_alac(path: Path, form: StreamFormat) -> PyavEncoder:
    """ALAC in MP4, with 16 or 24 bits."""
    is_short = form.encoding.num_bits == 16
    sample_format, arrange = ("s16p", _int16) if is_short else ("s32p", _left_justified)
    codec = _Codec("alac", "ipod", sample_format, arrange, _exact_edit_list(form))
    return PyavEncoder(path, form, codec)


def _interleaved(samples: Array) -> Array:
    line: Array = samples.T.reshape(1, -1)  # [1, T * C]
    return line


def _planar(samples: Array) -> Array:
    return samples


def _int16(samples: Array) -> Array:
    return samples.astype(np.int16)


def _left_justified(samples: Array) -> Array:
    shifted: Array = np.left_shift(samples, 8)
    return shifted


def _exact_edit_list(form: StreamFormat) -> dict[str, str]:
    return {"movie_timescale": str(form.sample_rate)}


def _bit_rate(form: StreamFormat, highest_kbit: int) -> int:
    """In bit/s, for all channels together."""
    wanted = form.encoding.bitrate
    if not isinstance(wanted, int):
        wanted = _DEFAULT_PER_CHANNEL * form.num_channels
    return 1000 * min(wanted, highest_kbit)


@contextmanager
def as_os_error() -> Iterator[None]:
    """Turns ffmpeg's errors into those of the operating system, as which they are reported."""
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise OSError(f"the encoder failed: {error.strerror or error}") from error
