"""What ffmpeg decodes of a stream, where that belongs, and what of the file gave no sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from av.audio.plane import AudioPlane
from numpy.typing import NDArray
from torch import Tensor

from stemsplit.audio.decode.damage import Damage
from stemsplit.audio.file_names import display_path
from stemsplit.errors import AudioReadError

# ffmpeg's sample formats, without the "p" of the planar ones: NumPy's name, and full scale.
_DTYPES = {"u8": "u1", "s16": "i2", "s32": "i4", "flt": "f4", "dbl": "f8"}
_FULL_SCALE = {"u8": 2**7, "s16": 2**15, "s32": 2**31, "flt": 1, "dbl": 1}

# Streams of frames and nothing else.
_WITHOUT_TIMES = ("mp3", "aac", "ac3", "eac3", "dts", "loas", "mlp", "truehd", "wav")
# Their frames have checksums that ffmpeg looks at only if it is told to: else damage is noise.
_CHECKED = {"flac", "tta", "wavpack"}
# What containers have between two packets.
_MAX_OVERHEAD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame [C, T], and what was lost between it and the one before.

    `time`: where it belongs, in samples; None if the file does not say. `lost_bytes` of the file,
    from `lost_from` on, held nothing that can be decoded, packets of `lost_samples` among them.
    `first_time`: where the first packet belongs, if it is known that it was lost. `packet_at`:
    where the packet is that the frame comes from; `read_bytes`: how far the file was read, from the
    first one on.
    """

    samples: Tensor
    time: float | None
    first_time: float | None
    lost_bytes: int
    lost_samples: float
    lost_from: int
    packet_at: int
    read_bytes: int

    @property
    def num_samples(self) -> int:
        return self.samples.shape[-1]


@dataclass(slots=True)
class _Reading:
    """How far a file was read, and what was lost since the last frame."""

    is_alone: bool
    """No other streams lie between the packets."""
    first: int | None = None
    first_time: float | None = None
    num_bad: int = 0
    packet: int = -1
    end: int = 0
    lost_bytes: int = 0
    lost_samples: float = 0.0
    lost_from: int = 0

    def pass_to(self, packet: Any, sample_rate: int) -> None:
        """Goes on to a packet; what lies before it is lost."""
        if packet.pos is None or not packet.size:
            return
        if self.first is None:
            self.first = self.end = packet.pos
            if packet.pts is not None and packet.time_base:
                self.first_time = float(packet.pts * packet.time_base * sample_rate)
        if packet.pos == self.packet:  # one of several in a packet of the container
            self.end += packet.size
            return
        if packet.pos > self.end:
            self._lose(self.end, packet.pos - self.end)
        self.packet, self.end = packet.pos, max(self.end, packet.pos + packet.size)

    def lose(self, packet: Any) -> None:
        """Takes into account that the packet cannot be decoded."""
        self.num_bad += 1
        self._lose(self.end - packet.size, packet.size)

    def miss(self, packet: Any, sample_rate: int, num_samples: int) -> None:
        """Takes into account that of a packet no more than so many samples came out.

        Of the first few packets and of some codecs that is so in intact files too.
        """
        if packet.duration and packet.time_base:
            duration = float(packet.duration * packet.time_base * sample_rate)
            self.lost_samples += max(0.0, duration - num_samples)

    def _lose(self, start: int, num_bytes: int) -> None:
        if not self.lost_bytes:
            self.lost_from = max(0, start)
        self.lost_bytes += num_bytes

    @property
    def _lost_the_first(self) -> bool:
        """Whether the first packets are lost, where no frame has come of them.

        Some decoders keep their first frame for themselves, and what follows in the file may be a
        picture, or the container's own.
        """
        return self.num_bad > 0 or (self.is_alone and self.lost_bytes > _MAX_OVERHEAD_BYTES)

    def frame(self, samples: Tensor, time: float | None) -> Frame:
        """A frame with what was lost before it."""
        frame = Frame(
            samples=samples,
            time=time,
            first_time=self.first_time if self._lost_the_first else None,
            lost_bytes=self.lost_bytes,
            lost_samples=self.lost_samples,
            lost_from=self.lost_from,
            packet_at=self.packet,
            read_bytes=self.end - (self.first or 0),
        )
        self.lost_bytes, self.lost_samples = 0, 0.0
        return frame


def decoded_frames(
    path: Path, container: Any, stream: Any, damage: Damage
) -> Iterator[tuple[Any, Frame]]:
    """ffmpeg's frames and ours. A packet that cannot be decoded is skipped, as every player does.

    A cut-off file ends where its last whole packet ends; `damage` is told if the last one is not.

    Raises:
        AudioReadError: there are packets, and none of them can be decoded, or none is audio.
    """
    if stream.codec_context.codec.canonical_name in _CHECKED:
        stream.codec_context.options = {"err_detect": "crccheck+explode"}
    reading = _Reading(is_alone=len(container.streams) == 1)
    last = None
    num_frames = num_bad = 0
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except IndexError:  # of a stream that turns up late, which PyAV does not know
            packets = container.demux(stream)
            continue
        except av.FFmpegError:
            num_bad += 1
            break
        if packet is None:
            break
        reading.pass_to(packet, stream.codec_context.sample_rate)
        last = packet if packet.size else last
        try:
            frames = packet.decode()
        except av.FFmpegError:
            num_bad += 1
            frames = []
            reading.lose(packet)
        for frame in frames:
            num_frames += 1
            yield frame, reading.frame(_samples(path, frame), _time(container, packet, frame))
        num_samples = sum(frame.samples for frame in frames)
        reading.miss(packet, stream.codec_context.sample_rate, num_samples)
    if last is not None and container.format.name == "aac":
        damage.ends_unmarked |= _is_cut_adts(bytes(last))
    if num_bad and not num_frames:
        raise AudioReadError(
            f"{display_path(path)} cannot be decoded: all of its packets are damaged.",
            hint="Check that it plays, or download it again.",
        )


def _is_cut_adts(packet: bytes) -> bool:
    """Whether there should be more of a frame of AAC (ISO/IEC 13818-7, section 6.2)."""
    if len(packet) < 6 or packet[0] != 0xFF or packet[1] & 0xF6 != 0xF0:
        return False
    return int.from_bytes(packet[3:6], "big") >> 5 & 0x1FFF > len(packet)


def is_without_times(container: Any) -> bool:
    """Whether nothing in the file says where a frame belongs: ffmpeg adds up what it has found."""
    name = container.format.name
    return name in _WITHOUT_TIMES or (name == "avi" and len(container.streams) == 1)


def _time(container: Any, packet: Any, frame: Any) -> float | None:
    if container.format.name == "wv" and packet.size >= 32:
        # ffmpeg only adds up what came before; the block knows where it belongs.
        block = bytes(packet)[:32]
        return int.from_bytes(block[16:20], "little") + (block[10] << 32)
    if is_without_times(container) or frame.pts is None or not frame.time_base:
        return None
    return float(frame.pts * frame.time_base * frame.sample_rate)


def _samples(path: Path, frame: Any) -> Tensor:
    """One frame as float32 [C, T]; integers are divided by the magnitude of their lowest value."""
    name = frame.format.name.removesuffix("p")
    if name not in _FULL_SCALE:
        raise AudioReadError(
            f"{display_path(path)} has samples of the kind {name!r}.",
            hint="Convert it to a wav file with 24 bits.",
        )
    array = _planes(frame)  # [C, T], or [1, T * C] where channels are interleaved
    if not frame.format.is_planar:
        array = array.reshape(-1, len(frame.layout.channels)).T  # [C, T]
    # What does not fit becomes infinite or NaN, and whoever reads the blocks reports it.
    with np.errstate(over="ignore", invalid="ignore"):
        samples = np.array(array, dtype=np.float32, order="C")
        if name == "u8":
            samples -= 128
        samples /= _FULL_SCALE[name]
    return torch.from_numpy(samples)


def _planes(frame: Any) -> NDArray[Any]:
    """The frame's memory: [C, T] of planar samples, else [1, T * C].

    `frame.to_ndarray()` and `frame.planes` count planes until they find a null pointer, which does
    not come behind 8 channels, and only by chance behind more: reading on ends the process.
    """
    num_planes, num_channels = 1, len(frame.layout.channels)
    if frame.format.is_planar:
        num_planes, num_channels = num_channels, 1
    dtype = _DTYPES[frame.format.name.removesuffix("p")]
    count = frame.samples * num_channels
    planes: Iterator[Any] = (AudioPlane(frame, index) for index in range(num_planes))
    return np.stack([np.frombuffer(plane, dtype, count) for plane in planes])
