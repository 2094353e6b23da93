"""Linear PCM as its header states it: where the samples lie, and how each is written.

Read here rather than by libsndfile, which believes sizes that a crashed recorder never wrote, drops
what lies behind them, and reads samples in boxes larger than themselves (24 bits in 4 bytes) as
noise. Which bytes are sound is settled in one place for all containers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from stemsplit.audio.containers.chunks import ChunkStyle, chunks_to_the_end

# A program that cannot go back to the header leaves a size near one of these.
_PLACEHOLDERS = (0x7FFF_FFFF, 0xFFFF_FFFF)
_PLACEHOLDER_MARGIN = 1 << 16
_NEVER_THAT_LARGE = 1 << 60

# Behind the sound: less is a program's dirt, more is music.
MIN_SOUND_SECONDS = 0.1
TAGS = (b"TAG", b"ID3", b"APETAGEX", b"LYRICS")
"""How tags begin that are not part of a container."""


class UnclearHeaderError(ValueError):
    """A header of linear PCM from which nobody could say what a sample is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Samples:
    """How one sample is written: `num_bits` that count, the highest ones of `num_bytes`."""

    kind: Literal["unsigned", "signed", "float"]
    num_bits: int
    num_bytes: int
    byte_order: Literal["<", ">"]

    @property
    def codec(self) -> str:
        """libsndfile's name for samples of that size."""
        if self.kind == "float":
            return {4: "float", 8: "double"}[self.num_bytes]
        sign = "" if self.num_bytes > 1 else self.kind[0]
        return f"pcm_{sign}{8 * self.num_bytes}"

    @property
    def is_known(self) -> bool:
        """Whether they can be read here; ffmpeg knows more kinds."""
        if self.kind == "float":
            return self.num_bytes in (4, 8) and self.num_bits == 8 * self.num_bytes
        return 1 <= self.num_bits <= 8 * self.num_bytes and self.num_bytes <= 4

    def decoded(self, data: bytes) -> NDArray[np.float32]:
        """The samples in `data`, with full scale at ±1 where they are integers."""
        if self.kind == "float":
            # What does not fit becomes infinite or NaN, and whoever reads the blocks reports it.
            with np.errstate(over="ignore", invalid="ignore"):
                return np.frombuffer(data, f"{self.byte_order}f{self.num_bytes}").astype(np.float32)
        # As the highest bytes of an integer of 32 bits.
        octets = np.frombuffer(data, np.uint8).reshape(-1, self.num_bytes)
        boxes = np.zeros((len(octets), 4), np.uint8)
        if self.byte_order == "<":
            boxes[:, 4 - self.num_bytes :] = octets
        else:
            boxes[:, : self.num_bytes] = octets
        integers = boxes.reshape(-1).view(f"{self.byte_order}i4")
        if self.kind == "unsigned":
            integers ^= np.array(-(2**31), integers.dtype)  # moves zero from the middle
        samples: NDArray[np.float32] = integers.astype(np.float32)
        samples /= 2**31
        return samples


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearFormat:
    """What a header says apart from the length."""

    container: str
    samples: Samples
    num_channels: int
    sample_rate: int

    @property
    def frame_bytes(self) -> int:
        return self.num_channels * self.samples.num_bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class LinearAudio:
    """The sound of a file: `extents` are (start, size) in bytes of what is there, in order.

    `num_frames` is what the header promises; None if it leaves that open. `notes` say what is odd,
    as ends of a sentence that begins with the file's name.
    """

    format: LinearFormat
    extents: tuple[tuple[int, int], ...]
    num_frames: int | None
    notes: tuple[str, ...] = ()


def is_placeholder(size: int) -> bool:
    """Whether no program means that size, but leaves it in a header that it does not complete."""
    near = any(abs(size - limit) < _PLACEHOLDER_MARGIN for limit in _PLACEHOLDERS)
    return near or size <= 0 or size >= _NEVER_THAT_LARGE


def settle(
    file: BinaryIO, form: LinearFormat, style: ChunkStyle | None, *, start: int, stated: int
) -> LinearAudio:
    """Which bytes from `start` on are sound, where the header states `stated` of them.

    A `style` says how chunks behind the sound are written; without, there are none.
    """
    available = max(0, file.seek(0, 2) - start)
    if stated > available or stated < 0 or not available:
        is_open = is_placeholder(stated) and (stated or available)
        promised = None if is_open else stated // form.frame_bytes
        return LinearAudio(format=form, extents=((start, available),), num_frames=promised)
    if style is not None:
        for num_bytes in (stated + -stated % style.alignment, stated):
            behind = chunks_to_the_end(file, style, start + num_bytes)
            if behind is not None:
                data = [(c.start, c.num_bytes) for c in behind if c.name[:4].lower() == b"data"]
                return _joined(form, [(start, stated), *data], start + available)
    return _read_on(file, form, style, start=start, stated=stated)


def _joined(form: LinearFormat, extents: list[tuple[int, int]], file_bytes: int) -> LinearAudio:
    """The sound of all data chunks; the last one may be cut off."""
    promised = sum(num_bytes // form.frame_bytes for _, num_bytes in extents)
    notes = f"has its sound in {len(extents)} data chunks, which were joined."
    return LinearAudio(
        format=form,
        extents=tuple((start, max(0, min(size, file_bytes - start))) for start, size in extents),
        num_frames=promised,
        notes=(notes,) if len(extents) > 1 else (),
    )


def _read_on(
    file: BinaryIO, form: LinearFormat, style: ChunkStyle | None, *, start: int, stated: int
) -> LinearAudio:
    """The sound where something else than chunks lies behind what the header states.

    It is sound behind a size that is a placeholder, that was too small for 32 bits, or that a
    recorder did not bring up to date before it died. Tags, padding and a few odd bytes are not.
    """
    there = file.seek(0, 2) - start
    bytes_per_second = form.frame_bytes * form.sample_rate
    if wraps := (there - stated) >> 32:
        whole = stated + (wraps << 32)
        if style is not None and chunks_to_the_end(file, style, start + whole) is not None:
            there = whole
    elif not is_placeholder(stated):
        num_behind = there - stated
        file.seek(start + stated)
        behind = file.read(min(num_behind, bytes_per_second))
        is_short = num_behind < MIN_SOUND_SECONDS * bytes_per_second
        if behind.startswith(TAGS) or (len(behind) == num_behind and not any(behind)):
            return _with_length(form, start, stated)
        if is_short:
            seconds = num_behind / bytes_per_second
            note = f"has {seconds:.3f} s behind the end that it states, which were left out."
            return _with_length(form, start, stated, note)
    if is_placeholder(stated):
        return _with_length(form, start, there)
    note = (
        f"states a length of {stated / bytes_per_second:.2f} s, but {there / bytes_per_second:.2f} "
        "s are there, and were read."
    )
    return _with_length(form, start, there, note)


def _with_length(form: LinearFormat, start: int, num_bytes: int, *notes: str) -> LinearAudio:
    return LinearAudio(
        format=form,
        extents=((start, num_bytes),),
        num_frames=num_bytes // form.frame_bytes,
        notes=notes,
    )
