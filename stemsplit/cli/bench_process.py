"""One measurement of `stemsplit bench`, seen from outside: started, limited in time, read."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import stemsplit
from stemsplit.cli.bench_results import Measurement
from stemsplit.cli.bench_worker import FirstChunk, Request
from stemsplit.errors import ModelError, StemsplitError, UsageError

if TYPE_CHECKING:
    from stemsplit.device.names import Precision

SLACK_SECONDS = 25.0
"""For chunks that take longer than planned: this long after its budget, the command has ended."""

_MORE_TIME = "Give it more time with --budget, or measure a smaller model."


@dataclass(frozen=True, slots=True)
class Target:
    """A model that is on this machine: what loads it, and what it is called in the results."""

    reference: str
    model: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What all measurements of a run have in common, as in `bench_worker.Request`."""

    precision: Precision
    num_threads: int | None
    music_seconds: float | None
    debug: bool


@dataclass(frozen=True, slots=True)
class TimeLimit:
    """When a measurement should be done, and when it is stopped; in seconds since 1970."""

    until: float
    stop: float

    @classmethod
    def share(cls, until: float, num_measurements: int) -> TimeLimit:
        """The next one's part of the time until `until`, and of the slack after that."""
        now = time.time()
        return cls(
            now + max(0.0, until - now) / num_measurements,
            now + max(0.0, until + SLACK_SECONDS - now) / num_measurements,
        )


class TooSlowError(StemsplitError):
    """One chunk took longer than there was time for."""

    def __init__(self, message: str, *, slower_than: float) -> None:
        super().__init__(message, hint=_MORE_TIME)
        self.slower_than = slower_than


def run_worker(
    target: Target, device: str, settings: Settings, time_limit: TimeLimit
) -> Measurement:
    """The measurement from a fresh process. One that is stopped has measured what it has.

    Raises:
        StemsplitError: what the process reported, or that it ended without a word.
        TooSlowError: it was stopped during its first chunk.
    """
    request = Request(
        **asdict(target),
        **asdict(settings),
        device=device,
        launched=time.time(),
        until=time_limit.until,
        folder=str(Path.cwd()),
    )
    try:
        # -m puts the working directory where modules are looked for: the package's own, because
        # the user's may hold anything. In a session of its own, the child does not hear Ctrl-C: it
        # is killed when `run` is left.
        child = subprocess.run(
            [sys.executable, "-m", "stemsplit.cli.bench_worker"],
            input=json.dumps(asdict(request)).encode(),
            stdout=subprocess.PIPE,
            timeout=None if settings.music_seconds else time_limit.stop - time.time(),
            cwd=Path(stemsplit.__file__).parents[1],
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as stopped:
        return _what_was_done(request, stopped.stdout or b"")
    lines = child.stdout.splitlines()
    if child.returncode or not lines:
        raise StemsplitError(
            f"The measurement of {target.model} on {device} {_ending(child.returncode)}.",
            hint="If memory was short, close other programs, or measure a smaller model.",
        )
    answer = json.loads(lines[-1])
    if "measurement" in answer:
        return Measurement.from_json(answer["measurement"])
    kinds = {UsageError.exit_code: UsageError, ModelError.exit_code: ModelError}
    raise kinds.get(answer["exit_code"], StemsplitError)(answer["message"], hint=answer["hint"])


def _what_was_done(request: Request, output: bytes) -> Measurement:
    """What the process had measured when it was stopped."""
    complete_lines = output.splitlines()[: output.count(b"\n")]
    answer = json.loads(complete_lines[-1]) if complete_lines else {}
    if "measurement" in answer:
        return Measurement.from_json(answer["measurement"])
    if "first_chunk" in answer:
        chunk = FirstChunk(**answer["first_chunk"])
        seconds = time.time() - chunk.started
        slower_than = chunk.chunk_seconds / seconds
        bound = math.ceil(100 * slower_than) / 100  # rounded up, it is still true
        raise TooSlowError(
            f"One chunk of {request.model} ({chunk.chunk_seconds:.1f} s of music) takes longer "
            f"than {seconds:.0f} s on {request.device}: slower than {bound:.2f} x real time.",
            slower_than=slower_than,
        )
    seconds = time.time() - request.launched
    raise StemsplitError(
        f"{request.model} was not loaded on {request.device} within {seconds:.0f} s.",
        hint=_MORE_TIME,
    )


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with exit code {returncode}"
