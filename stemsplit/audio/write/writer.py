"""Stems out: several files of one track that appear together, or not at all."""

from __future__ import annotations

import math
import os
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import get_args

import numpy as np
import soundfile
from torch import Tensor

from stemsplit.audio.encode.encoders import Encoding, StreamFormat
from stemsplit.audio.formats import ClipPolicy
from stemsplit.audio.write.output_files import check_target, make_folders, remove_folders, writing
from stemsplit.audio.write.stem_stream import StemStream
from stemsplit.durable import sync_file, sync_folder
from stemsplit.errors import AudioWriteError, check_choice
from stemsplit.quoting import counted

_PATIENCE_SECONDS = 0.2
_NUM_TRIES = 3


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


@dataclass(frozen=True, kw_only=True, slots=True)
class WritePolicy:
    """What is done about peaks beyond full scale, and about files that are in the way.

    `may_replace` is asked twice about each of these, before the work and just before the file would
    be replaced. `key`: 16 hex digits that name the temporary files of a track.
    """

    clip: ClipPolicy = "common"
    may_replace: Callable[[Path], bool] = lambda _path: False
    key: str = field(default_factory=lambda: secrets.token_hex(8))

    def __post_init__(self) -> None:
        check_choice("clip", self.clip, get_args(ClipPolicy))


class StemWriter:
    """Writes named streams of one track, as a context manager.

    Everything goes to hidden `.stemsplit-<key>-*.part` files beside the outputs. `finish` completes
    them, `publish` renames them, `commit` does both. Leaving the block before that removes them,
    and the folders that were made for them.

    Raises:
        OutputExistsError: at construction, or by `publish` if a file has appeared since then.
        AudioWriteError: the disk is full, the folder cannot be written, and the like.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        *,
        encoding: Encoding,
        sample_rate: int,
        channels: tuple[str, ...],
        num_samples: int,
        policy: WritePolicy | None = None,
    ) -> None:
        if len(set(paths.values())) < len(paths):
            raise ValueError(f"two streams have the same path: {sorted(map(str, paths.values()))}")
        self._policy = policy or WritePolicy()
        for path in paths.values():
            check_target(path, may_replace=self._policy.may_replace(path))
        self._paths = dict(paths)
        self._form = StreamFormat(
            encoding=encoding,
            sample_rate=sample_rate,
            channels=channels,
            num_samples=num_samples,
        )
        # The peak is known only at the end, so the gain is applied in a second step.
        self._spools = self._policy.clip == "common" and not encoding.is_float
        self._streams: dict[str, StemStream] = {}
        self._made_folders: list[Path] = []
        self._abandoned = threading.Event()
        self._finished = False

    def __enter__(self) -> StemWriter:
        try:
            for name, path in self._paths.items():
                with writing(path):
                    self._open(name, path)
        except BaseException:
            self._discard()
            raise
        return self

    def _open(self, name: str, path: Path) -> None:
        for num_left in reversed(range(_NUM_TRIES)):
            try:
                self._made_folders += make_folders(path.parent)
                stream = StemStream(
                    name, path, self._form, key=self._policy.key, spools=self._spools
                )
                self._streams[name] = stream
                stream.open()
            except (OSError, soundfile.SoundFileRuntimeError):
                # Another track that failed may have removed the folder, empty as it was.
                if path.parent.is_dir() or not num_left:
                    raise
            else:
                return

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
                hint="Try `precision='fp32'`, or `device='cpu'`.",
            )
        stream.write(block)

    @property
    def temporaries(self) -> Mapping[str, Path]:
        """Where each stream is for now; complete files after `finish`."""
        return {name: stream.temporary for name, stream in self._streams.items()}

    def commit(self) -> WriteReport:
        """Finishes all files, puts them in their places, and says what was done to the sound."""
        report = self.finish()
        self.publish()
        return report

    def finish(
        self,
        decorate: Callable[[str, Path], None] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> WriteReport:
        """Completes all files under their temporary names, and says what was done to the sound.

        `decorate(name, temporary)` may change each file once more: to write tags, say. What `check`
        raises ends the encoding.
        """
        for name, stream in self._streams.items():
            if stream.num_samples != self._form.num_samples:
                raise ValueError(
                    f"stream {name!r} has {stream.num_samples} of {self._form.num_samples} samples"
                )
        gain = self._common_gain() if self._spools else 1.0
        self._complete_all(gain, check)
        if decorate is not None:
            for name, stream in self._streams.items():
                with writing(stream.path):
                    decorate(name, stream.temporary)
        self._finished = True
        return WriteReport(
            gain=gain,
            peaks={name: stream.peak for name, stream in self._streams.items()},
            num_clipped_samples=self._num_clipped(),
            warnings=self._warnings(),
        )

    def _warnings(self) -> tuple[str, ...]:
        if self._policy.clip != "none" or not self._num_clipped():
            return ()
        cut = counted(self._num_clipped(), "sample was", "samples were")
        return (
            f"{cut} beyond full scale and cut: use `clip='common'`, or `format='wav'` with "
            "`bit_depth='32f'`.",
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

    def _complete_all(self, gain: float, check: Callable[[], None]) -> None:
        """Side by side: encoders use one core each, and mp3 takes half as long as the network."""
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            left = {
                pool.submit(stream.complete, gain, self._abandoned)
                for stream in self._streams.values()
            }
            try:
                while left:
                    check()
                    # Again and again, because nothing interrupts a thread while it waits.
                    done, left = wait(left, _PATIENCE_SECONDS, return_when=FIRST_EXCEPTION)
                    for each in done:
                        each.result()
            except BaseException:
                self._abandoned.set()
                raise

    def publish(self) -> None:
        """Puts the finished files in their places; if one fails, takes back the new ones.

        A file that replaced another stays, because there is no old one to go back to. Contents are
        on the disk before the names, so that a power cut leaves no empty files.
        """
        if not self._finished:
            raise ValueError("publish comes after finish")
        streams = self._streams.values()
        new_paths: list[Path] = []
        try:
            for stream in streams:
                with writing(stream.path):
                    sync_file(stream.temporary)
            for stream in streams:
                is_new = not os.path.lexists(stream.path)
                stream.publish(may_replace=self._policy.may_replace(stream.path))
                if is_new:
                    new_paths.append(stream.path)
            for folder, stream in {stream.path.parent: stream for stream in streams}.items():
                with writing(stream.path):
                    sync_folder(folder)
        except BaseException:
            for path in new_paths:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            raise

    def _discard(self) -> None:
        """Removes what was not published."""
        for stream in self._streams.values():
            stream.discard()
        remove_folders(self._made_folders)
        self._made_folders = []
