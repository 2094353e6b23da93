"""The process of a measurement of `stemsplit bench`, from both ends.

    python -m stemsplit.cli.bench_process

reads a `Request` as JSON on stdin and prints JSON objects on stdout, one per line: what it has
measured so far, or what went wrong. It can be stopped at any moment: the last line is the result.
"""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import stemsplit
from stemsplit.cli.bench_measure import FirstChunk, Request, measure
from stemsplit.cli.bench_results import Measurement, MeasurementFailed
from stemsplit.cli.streams import guard_streams
from stemsplit.errors import ModelError, StemsplitError, UsageError, one_line
from stemsplit.quoting import reason

SLACK_SECONDS = 25.0
"""For chunks that take longer than planned: this long after its budget, the command has ended."""

_MORE_TIME = "Give it more time with --budget, or measure a smaller model."


def in_its_time(request: Request, until: float, num_left: int) -> Request:
    """The next one of `num_left`, with its share of the time until then, and of the slack."""
    now = time.time()
    share, share_with_slack = (
        max(0.0, end - now) / num_left for end in (until, until + SLACK_SECONDS)
    )
    return replace(request, launched=now, until=now + share, stop=now + share_with_slack)


def run_measurement(request: Request) -> Measurement | MeasurementFailed:
    """What a fresh process has measured. One that is stopped has measured what it has.

    Raises:
        UsageError: it reported that no such thing can be measured.
        ModelError: it reported that the model is not to be had.
    """
    try:
        # -m puts the working directory where modules are looked for: the package's own, because
        # the user's may hold anything. In a session of its own, the child does not hear Ctrl-C: it
        # is killed when `run` is left.
        child = subprocess.run(
            [sys.executable, "-m", "stemsplit.cli.bench_process"],
            input=json.dumps(asdict(request)).encode(),
            stdout=subprocess.PIPE,
            timeout=None if request.music_seconds else request.stop - time.time(),
            cwd=Path(stemsplit.__file__).parents[1],
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as stopped:
        return _what_was_done(request, stopped.stdout or b"")
    lines = child.stdout.splitlines()
    if child.returncode or not lines:
        what = (
            f"The measurement of {request.model} on {request.device} {_ending(child.returncode)}."
        )
        hint = "If memory was short, close other programs, or measure a smaller model."
        return _failed(request, f"{what} {hint}")
    answer = json.loads(lines[-1])
    if "measurement" in answer:
        return Measurement.from_json(answer["measurement"])
    for kind in (UsageError, ModelError):
        if answer["exit_code"] == kind.exit_code:
            raise kind(answer["message"], hint=answer["hint"])
    return _failed(request, f"{answer['message']} {answer['hint']}")


def _what_was_done(request: Request, output: bytes) -> Measurement | MeasurementFailed:
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
        what = (
            f"One chunk of {request.model} ({chunk.chunk_seconds:.1f} s of music) takes longer "
            f"than {seconds:.0f} s on {request.device}: slower than {bound:.2f} x real time."
        )
        return _failed(request, f"{what} {_MORE_TIME}", slower_than)
    seconds = time.time() - request.launched
    what = f"{request.model} was not loaded on {request.device} within {seconds:.0f} s."
    return _failed(request, f"{what} {_MORE_TIME}")


def _failed(request: Request, error: str, slower_than: float | None = None) -> MeasurementFailed:
    return MeasurementFailed(request.model, request.device, one_line(error.strip()), slower_than)


def _ending(returncode: int) -> str:
    if returncode < 0:
        return f"was ended by {signal.Signals(-returncode).name}"
    return f"ended with exit code {returncode}"


def main() -> None:
    """The process itself: answers the request on stdin."""
    asked = sys.stdin.read()
    if not asked:
        return  # whoever wanted to ask was interrupted
    request = Request(**json.loads(asked))
    os.chdir(request.folder)
    try:
        for known in measure(request):
            kind = "measurement" if isinstance(known, Measurement) else "first_chunk"
            _answer({kind: asdict(known)})
    except StemsplitError as error:
        _answer({"message": error.message, "hint": error.hint, "exit_code": error.exit_code})
    except Exception as error:
        if request.debug:
            raise
        message = f"{request.model}: unexpected {type(error).__name__}: {reason(error)}."
        _answer({"message": message, "hint": "--debug shows where it happened.", "exit_code": 1})


def _answer(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    guard_streams()
    main()
