"""Encoders of libsndfile: FLAC, MP3 (LAME) and Ogg Vorbis (libvorbis).

MP3 comes from here and not from ffmpeg: LAME writes its own tag with the encoder's delay and
padding, and decoders give back the length to the sample. ffmpeg's muxer forgets a part of the
padding where it is longer than a frame (measured: 1153 samples come back as 1199). Vorbis comes
from here because ffmpeg's own encoder sounds worse, and PyAV brings no libvorbis.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import soundfile
from torch import Tensor

from stemsplit.audio.containers.ogg_pages import set_serial_number
from stemsplit.audio.formats import StreamFormat, surround_as_back

_MP3_DEFAULT = 320

# libvorbis decides about its windows with what it has been given so far, so its bytes depend on how
# the stream is cut; and it allocates all that it is given at once.
_WRITE_SAMPLES = 1 << 16

# Nominal kbit/s of libvorbis' qualities 0 to 10 in stereo at 44.1 kHz.
_VORBIS_NOMINAL = (64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 500)
_VORBIS_DEFAULT_PER_CHANNEL = 128

# The speakers in the order of the Vorbis specification, section 4.3.9, by their number.
_VORBIS_ORDER = {
    3: ("FL", "FC", "FR"),
    4: ("FL", "FR", "BL", "BR"),
    5: ("FL", "FC", "FR", "BL", "BR"),
    6: ("FL", "FC", "FR", "BL", "BR", "LFE"),
    7: ("FL", "FC", "FR", "SL", "SR", "BC", "LFE"),
    8: ("FL", "FC", "FR", "SL", "SR", "BL", "BR", "LFE"),
}


class FlacEncoder:
    """FLAC. Integers go in left-justified, because libsndfile takes the topmost bits."""

    def __init__(self, path: Path, form: StreamFormat) -> None:
        self._shift = 32 - form.encoding.num_bits
        self._file = _open(path, form, "FLAC", f"PCM_{form.encoding.num_bits}")

    def write(self, samples: Tensor) -> None:
        self._file.write(np.ascontiguousarray(samples.numpy().T) << self._shift)

    def close(self) -> None:
        self._file.close()


class EmptyFlac:
    """A FLAC file without samples, which libsndfile would leave without a header."""

    def __init__(self, path: Path, form: StreamFormat) -> None:
        depth_field = form.encoding.num_bits - 1
        layout = form.sample_rate << 44 | (form.num_channels - 1) << 41 | depth_field << 36
        block_samples = 4096
        # RFC 9639, section 8.2: block sizes, frame sizes (unknown), layout and length, MD5 (none).
        info = struct.pack(">HH", block_samples, block_samples) + bytes(6)
        info += struct.pack(">Q", layout) + bytes(16)
        last_block = 0x80
        with path.open("xb") as file:
            file.write(b"fLaC" + struct.pack(">B3s", last_block, bytes([0, 0, len(info)])) + info)

    def write(self, samples: Tensor) -> None:
        """Nothing: the stream has no samples."""

    def close(self) -> None:
        """Nothing: the file is complete."""


def open_flac(path: Path, form: StreamFormat) -> FlacEncoder | EmptyFlac:
    return FlacEncoder(path, form) if form.num_samples else EmptyFlac(path, form)


class Mp3Encoder:
    """MP3 with LAME's tag, so that decoders give back the length to the sample.

    The default is 320 kbit/s, because stems are added up again: on a pop song its error was 38 dB
    below the music, that of V0 (229 kbit/s) 31 dB.
    """

    def __init__(self, path: Path, form: StreamFormat) -> None:
        mode, level = _lame_level(form.encoding.bitrate or _MP3_DEFAULT, form.sample_rate)
        self._file = _open(path, form, "MP3", "MPEG_LAYER_III", mode=mode, level=level)

    def write(self, samples: Tensor) -> None:
        self._file.write(samples.numpy().T)

    def close(self) -> None:
        self._file.close()


class VorbisEncoder:
    """Ogg Vorbis. Its size follows from a quality, so a bit rate is that of typical music."""

    def __init__(self, path: Path, form: StreamFormat) -> None:
        self._path = path
        bitrate = form.encoding.bitrate or _VORBIS_DEFAULT_PER_CHANNEL * form.num_channels
        in_stereo = 2 * float(bitrate) / form.num_channels
        quality = np.interp(in_stereo, _VORBIS_NOMINAL, np.linspace(0, 1, 11))
        self._order: list[int] | slice = slice(None)
        if form.num_channels > 2:
            channels = surround_as_back(form.channels)
            self._order = [channels.index(name) for name in _VORBIS_ORDER[form.num_channels]]
        self._held = np.zeros((0, form.num_channels), np.float32)  # [T, C]
        self._file = _open(path, form, "OGG", "VORBIS", level=1 - float(quality))

    def write(self, samples: Tensor) -> None:
        self._held = np.concatenate([self._held, samples.numpy()[self._order].T])  # [T, C]
        while len(self._held) >= _WRITE_SAMPLES:
            self._file.write(self._held[:_WRITE_SAMPLES])
            self._held = self._held[_WRITE_SAMPLES:]

    def close(self) -> None:
        try:
            self._file.write(self._held)
        finally:
            self._file.close()
        # libsndfile draws a random one, and the same song should give the same bytes.
        set_serial_number(self._path, 0)


def _lame_level(bitrate: int | str, sample_rate: int) -> tuple[str, float]:
    """libsndfile's mode and level (0 is best, below 1) for a bit rate.

    The bit rates of constant mode are those that MPEG has at the sample rate: one that is too high
    becomes the highest there is.
    """
    if isinstance(bitrate, str):
        return "VARIABLE", int(bitrate[1:]) / 10
    if sample_rate >= 32000:
        lowest, highest = 32, 320
    elif sample_rate >= 16000:
        lowest, highest = 8, 160
    else:
        lowest, highest = 8, 64
    level = (highest - min(bitrate, highest)) / (highest - lowest)
    # libsndfile refuses a level of 1, and LAME takes the nearest bit rate.
    return "CONSTANT", min(level, 0.999)


def _open(
    path: Path,
    form: StreamFormat,
    container: str,
    subtype: str,
    *,
    mode: str | None = None,
    level: float | None = None,
) -> soundfile.SoundFile:
    return soundfile.SoundFile(
        str(path) if os.name == "nt" else os.fsencode(path),
        "x",
        samplerate=form.sample_rate,
        channels=form.num_channels,
        format=container,
        subtype=subtype,
        bitrate_mode=mode,
        compression_level=level,
    )
