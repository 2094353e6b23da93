"""Makes small audio files in many formats; nothing is read from disk."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

SHARED_AUDIO = Path(__file__).resolve().parents[3] / "shared" / "audio"

Samples = NDArray[np.float32]

FILM_RATES = (44_100, 48_000)
"""Of the tracks of `write_film`."""

_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 7: "6.1", 8: "7.1", 16: "hexadecagonal"}


def tone(num_samples: int, *, num_channels: int = 2, sample_rate: int = 44100) -> Samples:
    """Two partials per channel, [C, T], within ±0.5; every channel is different."""
    seconds = np.arange(num_samples) / sample_rate
    channels = [
        0.4 * np.sin(2 * np.pi * (440 + 55 * c) * seconds)
        + 0.1 * np.sin(2 * np.pi * 1900 * seconds + c)
        for c in range(num_channels)
    ]
    return np.stack(channels).astype(np.float32)


def band_noise(
    num_samples: int,
    *,
    top_hz: float,
    sample_rate: int,
    num_channels: int = 1,
    seed: int = 0,
) -> Samples:
    """Noise below `top_hz` that fades in and out, [C, T], within ±0.5."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal((num_channels, num_samples)))
    spectrum[:, np.fft.rfftfreq(num_samples, 1 / sample_rate) > top_hz] = 0
    noise = np.fft.irfft(spectrum, num_samples) * np.hanning(num_samples)
    return (0.5 * noise / np.abs(noise).max()).astype(np.float32)


def write_sndfile(
    path: Path,
    samples: NDArray[Any],
    *,
    sample_rate: int = 44100,
    container: str | None = None,
    subtype: str | None = None,
) -> Path:
    """The path of a file with `samples` [C, T], written by libsndfile."""
    soundfile.write(path, samples.T, sample_rate, format=container, subtype=subtype)
    return path


def write_long(path: Path, num_seconds: int) -> Path:
    """The path of a stereo wav of 16 bits, the same second again and again: made in no time."""
    second = (32_767 * tone(44_100)).astype(np.int16)  # [C, T]
    return write_sndfile(path, np.tile(second, num_seconds), subtype="PCM_16")


def write_pyav(
    path: Path,
    samples: Samples,
    *,
    codec: str,
    sample_rate: int = 44100,
    container: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """The path of a file with `samples` [C, T], written by ffmpeg."""
    layout = _LAYOUTS[samples.shape[0]]
    with av.open(path, "w", format=container, options=options or {}) as file:
        stream = file.add_stream(codec, rate=sample_rate, layout=layout, bit_rate=128_000)
        # Packed: PyAV's counting of planes reads one too many for 8 channels.
        packed = np.ascontiguousarray(samples.T, dtype=np.float32).reshape(1, -1)  # [1, T * C]
        frame = av.AudioFrame.from_ndarray(packed, format="flt", layout=layout)
        frame.sample_rate, frame.time_base, frame.pts = sample_rate, Fraction(1, sample_rate), 0
        resampler = av.AudioResampler(
            format=stream.codec_context.format.name, layout=layout, rate=sample_rate
        )
        converted = [*resampler.resample(frame), *resampler.resample(None)]
        for part in [*converted, None]:
            file.mux(stream.encode(part))
    return path


def write_video(path: Path) -> Path:
    """The path of a video without sound."""
    with av.open(path, "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        for frame in (image, None):
            file.mux(stream.encode(frame))
    return path


def write_film(
    path: Path, container: str, *, num_tracks: int = 1, late_seconds: float = 0.0
) -> Path:
    """A second of video, and tracks of a second each: stereo at 44.1 kHz, mono at 48 kHz."""
    with av.open(path, "w", format=container) as file:
        video = file.add_stream("mpeg4", rate=10)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        layouts = ("stereo", "mono")[:num_tracks]
        streams = [
            file.add_stream("ac3", rate=rate, layout=layout)
            for rate, layout in zip(FILM_RATES, layouts, strict=False)
        ]
        for stream, language in zip(streams, ("eng", "ger"), strict=False):
            stream.metadata["language"] = language
        for _ in range(10):
            image = np.zeros((32, 32, 3), np.uint8)
            file.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        for stream, layout in zip(streams, layouts, strict=True):
            rate = stream.rate
            samples = tone(rate, num_channels=2 if layout == "stereo" else 1, sample_rate=rate)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = rate, round(late_seconds * rate)
            for part in (frame, None):
                file.mux(stream.encode(part))
        file.mux(video.encode(None))
    return path
