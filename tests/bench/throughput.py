"""What a GPU does: htdemucs against demucs 4.1.0 on the same card, and a batch of whole songs.

    python tests/bench/throughput.py --device cuda

prints a Markdown table: one song against demucs, turn by turn, as in `against_demucs.py`; the same
in fp32; how far the fast precision is from fp32; and a batch of fifty four-minute songs through the
command line, from the start of the process to its end, decoding, encoding and digests included,
once for each format. The weights are random, the songs are generated. On a machine without a GPU

    python tests/bench/throughput.py --device cpu --family small --songs 3 --seconds 2 --runs 1

goes through the same steps: its figures mean nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import soundfile
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # so that it runs as a script, too

from stemsplit.device.hardware import device_name
from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.version import __version__
from tests.bench import against_demucs as pair

Row = tuple[str, str, str, str]


def song_rows(arguments: argparse.Namespace, bag: Path) -> Iterator[Row]:
    """One song from array to arrays, in both precisions, and demucs beside it."""
    for precision in ("auto", "fp32"):
        found = pair.compare(argparse.Namespace(**{**vars(arguments), "precision": precision}), bag)
        for side, name in (("stemsplit", f"stemsplit, {precision}"), ("demucs", "demucs 4.1.0")):
            seconds = statistics.median(found.seconds[side])
            note = f"{found.peak_mib[side]:.0f} MiB"
            if side == "stemsplit":
                note += f", {found.ratio:.2f} x demucs, {found.difference_db:.0f} dB from it"
            yield name, f"{seconds:.2f}", f"{arguments.seconds / seconds:.1f}", note


def distance_db(arguments: argparse.Namespace, bag: Path) -> float:
    """How far below the stems in fp32 their difference to those in `auto` lies."""
    mixture = pair.make_song(min(arguments.seconds, 30))
    plain, fast = (
        pair.load_stemsplit(bag, arguments.device, precision)(mixture)
        for precision in ("fp32", "auto")
    )
    return signal_to_difference_db(plain, fast)


def batch_row(arguments: argparse.Namespace, bag: Path, songs: Path, container: str) -> Row:
    """All songs through the command line."""
    with tempfile.TemporaryDirectory() as output:
        command = ["-m", str(bag), "-o", output, "--device", arguments.device, "--offline"]
        command += ["--format", container, str(songs), "--quiet"]
        started = time.perf_counter()
        child = subprocess.run(
            [sys.executable, __file__, "--device", arguments.device, "--batch", *command],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        seconds = time.perf_counter() - started
        finished = len(list(Path(output).rglob("stemsplit.json")))
    if finished != arguments.songs:
        raise SystemExit(f"{finished} of {arguments.songs} songs were finished")
    music_seconds = arguments.songs * arguments.seconds
    peaks = json.loads(child.stdout.splitlines()[-1])
    note = ", ".join(f"{kind}: {mib:.0f} MiB" for kind, mib in peaks.items())
    name = f"{arguments.songs} songs to {container}, whole process"
    return name, f"{seconds:.1f}", f"{music_seconds / seconds:.0f}", note


def run_batch(arguments: argparse.Namespace) -> None:
    """The child: the command line, and what memory it took."""
    from stemsplit.cli.app import app

    app(arguments.batch, standalone_mode=False)
    device = arguments.device
    peaks = {"memory": pair.peak_mib("cpu")}
    if device.startswith("cuda"):
        peaks |= {name: pair.peak_mib(name) for name in device.split(",")}
    print(json.dumps(peaks))


def write_songs(folder: Path, num_songs: int, seconds: int) -> None:
    """Songs of 16 bits, no two alike, with some noise: silence would be too easy to encode."""
    for number in range(num_songs):
        noise = torch.Generator().manual_seed(number)
        song = pair.make_song(seconds, seed=number)
        song = song + 0.01 * torch.randn(song.shape, generator=noise)
        path = folder / f"{number:02}.wav"
        soundfile.write(path, (0.9 * song).clamp(-1, 1).T.numpy(), pair.SAMPLE_RATE)


def print_table(arguments: argparse.Namespace) -> None:
    device = torch.device(arguments.device.partition(",")[0])
    print(
        f"{arguments.family} on {arguments.device} ({device_name(device)}), songs of "
        f"{arguments.seconds} s, {arguments.runs} runs, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}, stemsplit {__version__}\n"
    )
    print("| what | s | x real time | memory, and what else |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder, songs = Path(name), Path(name, "songs")
        bag = pair.write_bag(folder, arguments.family)
        for row in song_rows(arguments, bag):
            print_row(row)
        print_row(("auto from fp32", "", "", f"{distance_db(arguments, bag):.1f} dB"))
        songs.mkdir()
        write_songs(songs, arguments.songs, arguments.seconds)
        for container in ("flac", "wav"):
            print_row(batch_row(arguments, bag, songs, container))


def print_row(row: Row) -> None:
    print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--family", choices=pair.FAMILIES, default="htdemucs")
    parser.add_argument("--songs", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=240)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--batch", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.batch:
        run_batch(arguments)
    else:
        print_table(arguments)


if __name__ == "__main__":
    main()
