"""Stems out: several files of one track that appear together, or not at all."""

from __future__ import annotations

import math
import os
import secrets
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import soundfile
from torch import Tensor

from stemsplit.audio.channels import default_channels
from stemsplit.audio.encode import (
    Dither,
    Encoder,
    Encoding,
    Spool,
    StreamFormat,
    fit,
    open_encoder,
    read_spool,
)
from stemsplit.audio.place import (
    check_target,
    make_folders,
    new_part,
    publish,
    remove_folders,
    writing,
)
from stemsplit.errors import AudioWriteError

_PATIENCE_SECONDS = 0.2

ClipPolicy = Literal["common", "clamp", "none"]
"""What happens to samples beyond full scale (float output is never touched).

Integers cannot hold them. Lossy formats could, but players turn them into integers and cut them
then, so for lossy formats too full scale is the limit.

`common`: one gain for all streams of the track, just small enough; exactly 1 if nothing would clip.
`clamp`: they saturate. `none`: they saturate, and a warning says how many.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class WriteReport:
    """What was done to the sound. `peaks` are those before the gain."""

    gain: float
    peaks: Mapping[str, float]
    num_clipped_samples: int
    warnings: tuple[str, ...]

    @property
    def gain_db(self) -> float:
        return 20 * math.log10(self.gain)


@dataclass(slots=True)
class _Stream:
    """One output file in the making; `high` and `low` are its extreme samples so far."""

    path: Path
    part: Path
    encoder: Encoder
    dither: Dither | None
    num_samples: int = 0
    num_clipped: int = 0
    high: float = 0.0
    low: float = 0.0

    def measure(self, block: Tensor) -> None:
        self.num_samples += block.shape[-1]
        if block.numel():
            samples = block.numpy()
            self.high = max(self.high, float(samples.max()))
            self.low = min(self.low, float(samples.min()))


class StemWriter:
    """Writes named streams of one track, as a context manager.

    Everything goes to hidden `.stemsplit-<key>-*.part` files beside the outputs. `finish` completes
    them, `publish` renames them, `commit` does both. Leaving the block before that removes them,
    and the folders that were made for them.

    A file that is in the way is replaced if `overwrite` says so or `is_ours` knows it; it is asked
    twice, before the work and just before the file would be replaced.

    Raises:
        OutputExistsError: at construction, or by `publish` if a file has appeared since then.
        AudioWriteError: the disk is full, the folder cannot be written, and the like.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        *,
        sample_rate: int,
        num_channels: int,
        num_samples: int,
        encoding: Encoding,
        channels: tuple[str, ...] | None = None,
        clip: ClipPolicy = "common",
        overwrite: bool = False,
        is_ours: Callable[[Path], bool] | None = None,
        key: str | None = None,
    ) -> None:
        if len(set(paths.values())) < len(paths):
            raise ValueError(f"two streams have the same path: {sorted(map(str, paths.values()))}")
        self._overwrite = overwrite
        self._is_ours = is_ours
        for path in paths.values():
            check_target(path, may_replace=self._may_replace(path))
        self._paths = dict(paths)
        self._key = key or secrets.token_hex(8)
        self._form = StreamFormat(
            encoding=encoding,
            sample_rate=sample_rate,
            channels=channels or default_channels(num_channels),
            num_samples=num_samples,
        )
        self._clip = clip
        # The peak is known only at the end, so the gain is applied in a second step.
        self._spools = clip == "common" and not encoding.is_float
        self._streams: dict[str, _Stream] = {}
        self._parts: list[Path] = []
        self._open: list[Encoder] = []
        self._made_folders: list[Path] = []
        self._abandoned = False
        self._finished = False

    def __enter__(self) -> StemWriter:
        try:
            for name, path in self._paths.items():
                with writing(path):
                    self._made_folders += make_folders(path.parent)
                    part = self._new_part(path.parent)
                    encoder = Spool(part) if self._spools else open_encoder(part, self._form)
                    self._open.append(encoder)
                    self._streams[name] = _Stream(path, part, encoder, self._new_dither(name))
        except BaseException:
            self._discard()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._discard()

    def write(self, name: str, block: Tensor) -> None:
        """Appends a block [C, T] (float32, on the CPU) to the stream of that name."""
        stream = self._streams[name]
        if block.ndim != 2 or block.shape[0] != self._form.num_channels:
            raise ValueError(
                f"expected a block [{self._form.num_channels}, T], got {tuple(block.shape)}"
            )
        if not np.isfinite(block.numpy()).all():
            seconds = stream.num_samples / self._form.sample_rate
            raise AudioWriteError(
                f"Stem {name!r} has samples that are not finite numbers after {seconds:.2f} "
                "seconds.",
                hint="Try --precision fp32, or --device cpu.",
            )
        stream.measure(block)
        with writing(stream.path):
            if self._spools:
                stream.encoder.write(block)
            else:
                self._encode(stream, block)

    @property
    def parts(self) -> Mapping[str, Path]:
        """Where each stream is for now; complete files after `finish`."""
        return {name: stream.part for name, stream in self._streams.items()}

    def commit(self) -> WriteReport:
        """Finishes all files, puts them in their places, and says what was done to the sound."""
        report = self.finish()
        self.publish()
        return report

    def finish(self, decorate: Callable[[str, Path], None] | None = None) -> WriteReport:
        """Completes all files under their temporary names, and says what was done to the sound.

        `decorate(name, part)` may change each file once more: to write tags, say.
        """
        for name, stream in self._streams.items():
            if stream.num_samples != self._form.num_samples:
                raise ValueError(
                    f"stream {name!r} has {stream.num_samples} of {self._form.num_samples} samples"
                )
        gain = self._common_gain() if self._spools else 1.0
        self._complete_all(gain)
        if decorate is not None:
            for name, stream in self._streams.items():
                with writing(stream.path):
                    decorate(name, stream.part)
        self._finished = True
        return WriteReport(
            gain=gain,
            peaks={name: max(s.high, -s.low) for name, s in self._streams.items()},
            num_clipped_samples=self._num_clipped(),
            warnings=self._warnings(),
        )

    def _warnings(self) -> tuple[str, ...]:
        if self._clip != "none" or not self._num_clipped():
            return ()
        return (
            f"{self._num_clipped()} samples were beyond full scale and were cut: use --clip "
            "common, or --format wav --bit-depth 32f.",
        )

    def _num_clipped(self) -> int:
        return sum(stream.num_clipped for stream in self._streams.values())

    def _common_gain(self) -> float:
        """The largest gain up to 1 with which no sample is cut, given that integers are rounded."""
        encoding = self._form.encoding
        lowest, highest = encoding.sample_limits
        rounding = 2.0**-encoding.num_bits if encoding.is_integer else 0.0
        high = max((s.high for s in self._streams.values()), default=0.0)
        low = min((s.low for s in self._streams.values()), default=0.0)
        gain = 1.0
        if high >= highest + rounding:
            gain = highest / high
        if low < lowest - rounding:
            gain = min(gain, lowest / low)
        return gain

    def _new_dither(self, name: str) -> Dither | None:
        # Every stem has noise of its own: equal noise would add up in a mix of the stems.
        return Dither(zlib.crc32(name.encode())) if self._form.encoding.dither else None

    def _encode(self, stream: _Stream, block: Tensor) -> None:
        samples, num_cut = fit(block, self._form.encoding, stream.dither)
        stream.num_clipped += num_cut
        stream.encoder.write(samples)

    def _complete_all(self, gain: float) -> None:
        """Side by side: encoders use one core each, and mp3 takes half as long as the network."""
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            left = {pool.submit(self._complete, stream, gain) for stream in self._streams.values()}
            try:
                while left:
                    # Again and again, because nothing interrupts a thread while it waits.
                    done, left = wait(left, _PATIENCE_SECONDS, return_when=FIRST_EXCEPTION)
                    for each in done:
                        each.result()
            except BaseException:
                self._abandoned = True
                raise

    def _complete(self, stream: _Stream, gain: float) -> None:
        with writing(stream.path):
            self._close(stream.encoder)
            if self._spools:
                self._encode_spool(stream, gain)

    def _encode_spool(self, stream: _Stream, gain: float) -> None:
        """Turns the stream's spool into the finished file, a block at a time."""
        spool = stream.part
        stream.part = self._new_part(spool.parent)
        stream.encoder = open_encoder(stream.part, self._form)
        self._open.append(stream.encoder)
        for block in read_spool(spool, self._form.num_channels):
            if self._abandoned:  # the file is never finished
                return
            self._encode(stream, block * gain)
        self._close(stream.encoder)
        # At once, so that as little as possible is on the disk twice.
        spool.unlink()
        self._parts.remove(spool)

    def publish(self) -> None:
        """Puts the finished files in their places; if one fails, takes back the new ones.

        A file that replaced another stays, because there is no old one to go back to.
        """
        if not self._finished:
            raise ValueError("publish comes after finish")
        new_paths: list[Path] = []
        try:
            for stream in self._streams.values():
                with writing(stream.path):
                    is_new = not os.path.lexists(stream.path)
                    publish(stream.part, stream.path, may_replace=self._may_replace(stream.path))
                self._parts.remove(stream.part)
                if is_new:
                    new_paths.append(stream.path)
        except BaseException:
            for path in new_paths:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise

    def _may_replace(self, path: Path) -> bool:
        return self._overwrite or (self._is_ours is not None and self._is_ours(path))

    def _close(self, encoder: Encoder) -> None:
        self._open.remove(encoder)
        encoder.close()

    def _new_part(self, folder: Path) -> Path:
        part = new_part(folder, self._key)
        self._parts.append(part)
        return part

    def _discard(self) -> None:
        """Removes what was not committed. A failure here must not hide the error on its way."""
        for encoder in self._open:
            with suppress(OSError, soundfile.LibsndfileError):
                encoder.close()
        for part in self._parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        remove_folders(self._made_folders)
        self._open, self._parts, self._made_folders = [], [], []
