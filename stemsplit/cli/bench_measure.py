"""One measurement of `stemsplit bench`, made in a process that does nothing else.

Nothing heavy is imported before the clock of the imports runs.
"""

from __future__ import annotations

import math
import re
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from stemsplit.cli.bench_results import Measurement
from stemsplit.cli.process import importing, prepare_to_compute
from stemsplit.version import __version__

if TYPE_CHECKING:
    import torch

    from stemsplit.device.names import Precision
    from stemsplit.engine.separator import Separator

MAX_PASSES = 5
MAX_MUSIC_SECONDS = 60.0
"""Longer songs do not make the figure better, only the memory for the song larger."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to measure: `reference` is loaded, and called `model` in the result.

    `music_seconds` of each pass, None for as much as there is time for. `folder`: where relative
    paths begin. `debug`: a defect shows its traceback. In seconds since 1970: when the process was
    `launched`, `until` when it should be done, and when it is stopped.
    """

    reference: str
    model: str
    device: str
    precision: Precision
    num_threads: int | None
    music_seconds: float | None
    folder: str
    debug: bool
    launched: float = 0.0
    until: float = 0.0
    stop: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FirstChunk:
    """What the worker began to compute at `started` (seconds since 1970): its first chunk."""

    started: float
    chunk_seconds: float


def measure(request: Request) -> Iterator[FirstChunk | Measurement]:
    """That the first chunk begins; then the measurement, anew after each pass: the last one counts.

    Anything else in this process would be counted in.

    Raises:
        UsageError: the device is not there, or cannot compute in that precision.
        ModelError: the model is not on this machine, or damaged.
        DeviceMemoryError: the device is too small for it.
    """
    with importing():
        import torch

        from stemsplit.device.hardware import device_name
        from stemsplit.device.runtime import choose_runtime
        from stemsplit.engine.separator import Separator

    prepare_to_compute(request.num_threads)
    imported = time.time()
    runtime = choose_runtime(device=request.device, precision=request.precision)
    separator = Separator(
        request.reference,
        device=str(runtime.device),
        precision=request.precision,
        offline=True,  # whoever asks has fetched it
    )
    loaded = time.time()
    song = _Song(separator)
    yield FirstChunk(started=time.time(), chunk_seconds=song.chunk_seconds)
    first_chunk_seconds = song.time(1)
    first = Measurement(
        model=request.model,
        device=str(runtime.device),
        device_name=device_name(runtime.device),
        precision=separator.model.precision,
        num_threads=torch.get_num_threads(),
        torch_version=torch.__version__,
        stemsplit_version=__version__,
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        realtime_factor=song.chunk_seconds / first_chunk_seconds,
        num_passes=0,
        music_seconds=song.chunk_seconds,
        import_seconds=imported - request.launched,
        load_seconds=loaded - imported,
        first_chunk_seconds=first_chunk_seconds,
        peak_bytes=_peak_bytes(),
        device_peak_bytes=_device_peak_bytes(runtime.device),
    )
    yield first
    passes = []
    for num_chunks, seconds in _passes(song, request, first_chunk_seconds):
        passes.append((num_chunks, seconds))
        yield replace(
            first,
            realtime_factor=song.chunk_seconds / statistics.median(s / n for n, s in passes),
            num_passes=len(passes),
            music_seconds=song.chunk_seconds * sum(n for n, _ in passes),
            peak_bytes=_peak_bytes(),
            device_peak_bytes=_device_peak_bytes(runtime.device),
        )


class _Song:
    """The demo song, in lengths that are a whole number of a model's chunks.

    A chunk takes the music forward by one hop, so that a song of n hops costs n chunks, the last of
    them filled with silence where it has no neighbour: what a chunk of a long song costs.
    """

    def __init__(self, separator: Separator) -> None:
        import torch

        from stemsplit.engine.options import SeparationOptions
        from stemsplit.evaluate.demo_song import make_demo_song

        model = separator.model
        options = SeparationOptions()
        self._separator = separator
        self._sample_rate = model.sample_rate
        self._hop_samples = round(model.hop_seconds(options) * self._sample_rate)
        # A loop of its four bars: all stems of a long song would be counted as the model's memory.
        stems = make_demo_song(sample_rate=self._sample_rate, duration_seconds=10.0)
        self._loop = torch.stack(list(stems.values())).sum(dim=0)  # [C, T]

    @property
    def chunk_seconds(self) -> float:
        """How far a chunk takes the music forward."""
        return self._hop_samples / self._sample_rate

    def time(self, num_chunks: int) -> float:
        """Seconds that the separation of so many chunks takes, from array to arrays."""
        num_samples = num_chunks * self._hop_samples
        repeats = -(-num_samples // self._loop.shape[-1])
        mixture = self._loop.repeat(1, repeats)[:, :num_samples]  # [C, T]
        started = time.perf_counter()
        for _ in self._separator.blocks(mixture, sample_rate=self._sample_rate):
            pass
        return time.perf_counter() - started


def _passes(
    song: _Song, request: Request, first_chunk_seconds: float
) -> Iterator[tuple[int, float]]:
    """How many chunks and seconds each of up to MAX_PASSES took, as long as there is time.

    Each is planned to take half of the time that is left, so that there is a second one to compare
    with, and is no shorter than the one before.
    """
    wanted_seconds = request.music_seconds or MAX_MUSIC_SECONDS
    most = math.ceil(wanted_seconds / song.chunk_seconds)
    num_chunks = most if request.music_seconds else 1
    seconds_per_chunk = first_chunk_seconds
    for index in range(MAX_PASSES):
        left_seconds = request.until - time.time()
        is_promised = request.music_seconds is not None and index == 0
        if num_chunks * seconds_per_chunk > left_seconds and not is_promised:
            return
        num_chunks = min(most, max(num_chunks, int(left_seconds / 2 / seconds_per_chunk)))
        seconds = song.time(num_chunks)
        seconds_per_chunk = seconds / num_chunks
        yield num_chunks, seconds


def _device_peak_bytes(device: torch.device) -> int | None:
    """The most memory that torch has had on a GPU."""
    import torch

    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def _peak_bytes() -> int | None:
    """The most memory that this process has had resident, None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():
        # ru_maxrss, on Linux, also remembers the process that started this one.
        match = re.search(r"^VmHWM:\s*(\d+) kB$", status.read_text(), re.MULTILINE)
        return int(match[1]) * 1024 if match else None
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # only Apple counts bytes
