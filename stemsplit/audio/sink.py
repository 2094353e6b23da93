"""Stems out: several files of one track that appear together, or not at all."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

import numpy as np
import soundfile
from torch import Tensor

from stemsplit.audio.encode import (
    Encoder,
    Encoding,
    Spool,
    StreamFormat,
    open_encoder,
    quantise,
    read_spool,
)
from stemsplit.audio.place import check_target, new_part, publish, writing
from stemsplit.errors import AudioWriteError

ClipPolicy = Literal["common", "clamp", "none"]
"""What happens to samples that an integer format cannot hold (float output is never touched).

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
    num_samples: int = 0
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

    Everything goes to hidden `.stemsplit-*.part` files beside the outputs; `commit` renames them.
    Leaving the block without `commit` removes them, and the folders that were made for them.

    Raises:
        OutputExistsError: at construction, or by `commit` if a file has appeared since then.
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
        clip: ClipPolicy = "common",
        overwrite: bool = False,
    ) -> None:
        if len(set(paths.values())) < len(paths):
            raise ValueError(f"two streams have the same path: {sorted(map(str, paths.values()))}")
        for path in paths.values():
            check_target(path, overwrite=overwrite)
        self._paths = dict(paths)
        self._form = StreamFormat(
            encoding=encoding,
            sample_rate=sample_rate,
            num_channels=num_channels,
            num_samples=num_samples,
        )
        self._clip = clip
        self._overwrite = overwrite
        # The peak is known only at the end, so the gain is applied in a second step.
        self._spools = clip == "common" and not encoding.is_float
        self._streams: dict[str, _Stream] = {}
        self._parts: list[Path] = []
        self._open: list[Encoder] = []
        self._made_folders: list[Path] = []
        self._num_clipped = 0

    def __enter__(self) -> StemWriter:
        try:
            for name, path in self._paths.items():
                with writing(path):
                    self._make_folder(path.parent)
                    part = self._new_part(path.parent)
                    encoder = Spool(part) if self._spools else open_encoder(part, self._form)
                    self._open.append(encoder)
                    self._streams[name] = _Stream(path, part, encoder)
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
                self._encode(stream.encoder, block)

    def commit(self) -> WriteReport:
        """Finishes all files, puts them in their places, and says what was done to the sound."""
        for name, stream in self._streams.items():
            if stream.num_samples != self._form.num_samples:
                raise ValueError(
                    f"stream {name!r} has {stream.num_samples} of {self._form.num_samples} samples"
                )
        gain = self._common_gain() if self._spools else 1.0
        for stream in self._streams.values():
            with writing(stream.path):
                self._close(stream.encoder)
                if self._spools:
                    self._encode_spool(stream, gain)
        self._publish_all()
        return WriteReport(
            gain=gain,
            peaks={name: max(s.high, -s.low) for name, s in self._streams.items()},
            num_clipped_samples=self._num_clipped,
            warnings=self._warnings(),
        )

    def _warnings(self) -> tuple[str, ...]:
        if self._clip != "none" or not self._num_clipped:
            return ()
        return (
            f"{self._num_clipped} samples were beyond full scale and were cut: use --clip common, "
            "or --bit-depth 32f.",
        )

    def _common_gain(self) -> float:
        full_scale = 2.0 ** (self._form.encoding.num_bits - 1)
        high = max((s.high for s in self._streams.values()), default=0.0) * full_scale
        low = min((s.low for s in self._streams.values()), default=0.0) * full_scale
        gain = 1.0
        if round(high) > full_scale - 1:
            gain = (full_scale - 1) / high
        if round(low) < -full_scale:
            gain = min(gain, -full_scale / low)
        return gain

    def _encode(self, encoder: Encoder, block: Tensor) -> None:
        if self._form.encoding.is_float:
            encoder.write(block)
            return
        integers, num_cut = quantise(block, self._form.encoding.num_bits)
        self._num_clipped += num_cut
        encoder.write(integers)

    def _encode_spool(self, stream: _Stream, gain: float) -> None:
        """Turns the stream's spool into the finished file, a block at a time."""
        spool = stream.part
        stream.part = self._new_part(spool.parent)
        encoder = open_encoder(stream.part, self._form)
        self._open.append(encoder)
        for block in read_spool(spool, self._form.num_channels):
            self._encode(encoder, block * gain)
        self._close(encoder)
        # At once, so that no more than one stream is on the disk twice.
        spool.unlink()
        self._parts.remove(spool)

    def _publish_all(self) -> None:
        """Renames all parts; if one fails, takes back those that replaced nothing."""
        new_paths: list[Path] = []
        try:
            for stream in self._streams.values():
                with writing(stream.path):
                    is_new = not os.path.lexists(stream.path)
                    publish(stream.part, stream.path, overwrite=self._overwrite)
                self._parts.remove(stream.part)
                if is_new:
                    new_paths.append(stream.path)
        except BaseException:
            for path in new_paths:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise

    def _close(self, encoder: Encoder) -> None:
        self._open.remove(encoder)
        encoder.close()

    def _new_part(self, folder: Path) -> Path:
        part = new_part(folder)
        self._parts.append(part)
        return part

    def _make_folder(self, folder: Path) -> None:
        missing = [f for f in (folder, *folder.parents) if not f.exists()]
        for parent in reversed(missing):
            parent.mkdir(exist_ok=True)
            self._made_folders.append(parent)

    def _discard(self) -> None:
        """Removes what was not committed. A failure here must not hide the error on its way."""
        for encoder in self._open:
            with suppress(OSError, soundfile.LibsndfileError):
                encoder.close()
        for part in self._parts:
            with suppress(OSError):
                part.unlink(missing_ok=True)
        for folder in reversed(self._made_folders):
            # Not empty: it holds the finished stems, or somebody else's files.
            with suppress(OSError):
                folder.rmdir()
        self._open, self._parts, self._made_folders = [], [], []
