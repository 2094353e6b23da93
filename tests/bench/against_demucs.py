"""Times whole songs against demucs 4.1.0: the same random weights, the same song, turn by turn.

    python tests/bench/against_demucs.py --family htdemucs --seconds 60 --runs 5 --threads 2

Each side lives in a process of its own that loads the network once; then they take turns, so that a
machine that gets slower gets slower for both. What is timed is array in, stems out, from the CPU's
memory and back to it, on the CPU or a GPU (--device cuda): track statistics, chunks, network and
overlap-add. demucs runs with shifts=0, which is in its favour: its own default is a random shift.
Also printed: the signal-to-difference of the two results, for this song and for each of
`tests.signals` (both sides are in float32: after a click in silence, it is demucs that is far from
exact, see `tests/models/test_exactness.py`), and the peak memory of each process, on the GPU if
there is one. `htdemucs_ft` is a bag of one network per stem, of which the vocals are
wanted, as with `stemsplit --two-stems vocals`.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs as a script, too

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.evaluate.demo_song import make_demo_song
from tests.models import random_models
from tests.signals import SIGNALS

SAMPLE_RATE = 44100
SIGNAL_SECONDS = 7  # one chunk of HTDemucs
SONG = "the song"

Reference = random_models.ReferenceModel


def full_htdemucs(seed: int = 0) -> Reference:
    return random_models.htdemucs(seed, small=False, **random_models.PUBLISHED_HTDEMUCS)


FAMILIES: dict[str, Callable[[], Sequence[Reference]]] = {
    "htdemucs": lambda: [full_htdemucs()],
    "htdemucs_ft": lambda: [full_htdemucs(seed) for seed in range(4)],
    "hdemucs": lambda: [random_models.hdemucs(small=False, segment=44)],
    "demucs": lambda: [random_models.demucs(small=False, segment=44, normalize=False)],
    "small": lambda: [random_models.htdemucs()],  # to try these scripts with
}

Split = Callable[[torch.Tensor], torch.Tensor]


def load_stemsplit(bag: Path, device: str, precision: str) -> Split:
    from stemsplit import Separator

    separator = Separator(
        bag,
        stems=_only(bag),
        device=device,
        precision=precision,  # type: ignore[arg-type]
    )

    def split(mixture: torch.Tensor) -> torch.Tensor:
        separation = separator.separate(mixture, sample_rate=SAMPLE_RATE)
        return torch.from_numpy(np.stack(list(separation.stems.values())))

    return split


def load_demucs(bag: Path, device: str) -> Split:
    from demucs.apply import BagOfModels, apply_model
    from demucs.hf import load_safetensors_model

    content = yaml.safe_load(bag.read_text())
    models = [load_safetensors_model(bag.with_name(f"{name}.safetensors")).eval()
              for name in content["models"]]  # fmt: skip
    model = BagOfModels(models, content.get("weights"))
    rows = [model.sources.index(stem) for stem in _only(bag) or model.sources]

    def split(mixture: torch.Tensor) -> torch.Tensor:
        mono = mixture.mean(0)
        mean, std = mono.mean(), mono.std() + 1e-8
        scaled = ((mixture - mean) / std)[None]
        stems = apply_model(model, scaled, shifts=0, overlap=0.25, device=device)
        return (stems[0].cpu() * std + mean)[rows]

    return split


def _only(bag: Path) -> list[str] | None:
    return ["vocals"] if bag.stem == "htdemucs_ft" else None


def make_song(seconds: int, seed: int = 0) -> torch.Tensor:
    """A mixture [2, T] at SAMPLE_RATE."""
    return torch.stack(list(make_demo_song(duration_seconds=seconds, seed=seed).values())).sum(0)


def peak_mib(device: str) -> float:
    """The most memory that this process has had on the device."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status")
    if status.exists():  # of this program alone; `ru_maxrss` begins with that of who started it
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def work(arguments: argparse.Namespace) -> None:
    """The child: answers each line on stdin with the seconds that one song took."""
    torch.set_num_threads(arguments.threads)
    bag, device = Path(arguments.bag), arguments.device
    ours = arguments.worker == "stemsplit"
    split = load_stemsplit(bag, device, arguments.precision) if ours else load_demucs(bag, device)
    mixture = make_song(arguments.seconds)
    stems = split(mixture[:, : 8 * SAMPLE_RATE])  # first-time costs are not the song's
    print("ready", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        stems = split(mixture)
        print(time.perf_counter() - started, flush=True)
    peak = peak_mib(device)
    results = {name: split(make(SIGNAL_SECONDS * SAMPLE_RATE)) for name, make in SIGNALS.items()}
    np.savez(arguments.save, **{SONG: stems.numpy()}, **{n: y.numpy() for n, y in results.items()})
    print(peak, flush=True)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Seconds of each run and peak memory of both sides, and how far apart their stems are.

    That for the song, and for each of the signals.
    """

    seconds: dict[str, list[float]]
    peak_mib: dict[str, float]
    differences_db: dict[str, float]

    @property
    def difference_db(self) -> float:
        """For the song."""
        return self.differences_db[SONG]

    @property
    def ratio(self) -> float:
        """How many times as fast as demucs."""
        medians = {side: statistics.median(times) for side, times in self.seconds.items()}
        return medians["demucs"] / medians["stemsplit"]


def compare(arguments: argparse.Namespace, bag: Path) -> Comparison:
    """Both sides with the networks in `bag`, turn by turn."""
    saved = {side: bag.with_name(f"{side}.npz") for side in ("stemsplit", "demucs")}
    settings = [
        f"--{name}={getattr(arguments, name)}"
        for name in ("device", "precision", "seconds", "threads")
    ]
    children = {
        side: subprocess.Popen(
            [sys.executable, __file__, *settings, "--worker", side, "--bag", bag, "--save", path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for side, path in saved.items()
    }
    for child in children.values():
        child.stdout.readline()  # type: ignore[union-attr]
    seconds: dict[str, list[float]] = {side: [] for side in children}
    for _ in range(arguments.runs):
        for side, child in children.items():
            print("go", file=child.stdin, flush=True)
            seconds[side].append(float(child.stdout.readline()))  # type: ignore[union-attr]
    peaks = {side: float(child.communicate()[0]) for side, child in children.items()}
    ours, theirs = (np.load(path) for path in saved.values())
    differences_db = {
        name: signal_to_difference_db(torch.from_numpy(theirs[name]), torch.from_numpy(ours[name]))
        for name in theirs
    }
    return Comparison(seconds, peaks, differences_db)


def write_bag(folder: Path, family: str) -> Path:
    """The family's random networks in their published layout."""
    models = FAMILIES[family]()
    # Each network of the bag is for one stem, as in the published one.
    weights = torch.eye(4).tolist() if len(models) > 1 else None
    return random_models.write_bag(folder, family, models, weights)


def print_table(arguments: argparse.Namespace, comparison: Comparison) -> None:
    print(
        f"{arguments.family}, {arguments.seconds} s of music, {arguments.device}, "
        f"{arguments.threads} threads, {arguments.runs} runs, torch {torch.__version__}, "
        f"Python {sys.version.split()[0]}"
    )
    print("            median s   (min - max)      x real time   peak MiB")
    for side, times in comparison.seconds.items():
        median = statistics.median(times)
        print(
            f"{side:10} {median:9.2f}   ({min(times):.2f} - {max(times):.2f})"
            f"{arguments.seconds / median:15.2f}{comparison.peak_mib[side]:11.0f}"
        )
    print(f"stemsplit is {comparison.ratio:.2f} x as fast as demucs")
    print("signal-to-difference:")
    for name, level in comparison.differences_db.items():
        print(f"{level:9.1f} dB   {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--family", choices=FAMILIES, default="htdemucs")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--bag", help=argparse.SUPPRESS)
    parser.add_argument("--save", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        bag = write_bag(Path(folder), arguments.family)
        print_table(arguments, compare(arguments, bag))


if __name__ == "__main__":
    main()
