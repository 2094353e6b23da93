"""Tiny data sets in the layouts of the published ones."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from stemsplit.audio.channels import default_channels
from stemsplit.audio.encode.encoders import Encoding
from stemsplit.audio.write.stem_layout import MASTER, STEMS
from stemsplit.audio.write.stem_mp4 import StemFileWriter
from tests.audio.songs import Samples, band_noise, write_sndfile

NUM_SAMPLES = 6000
RATE = 8000


def stem_samples(seed: int, *, num_channels: int = 2, num_samples: int = NUM_SAMPLES) -> Samples:
    """Noise at 16 bits, so that a wav file has it exactly."""
    noise = band_noise(
        num_samples, top_hz=RATE / 2, sample_rate=RATE, num_channels=num_channels, seed=seed
    )
    return (np.round(0.2 * noise * 2**15) / 2**15).astype(np.float32)


def write(path: Path, samples: Samples, sample_rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_sndfile(path, samples, sample_rate=sample_rate, subtype="PCM_16")


def write_song(
    folder: Path, stems: Sequence[str] = STEMS, *, extension: str = "wav", seed: int = 0
) -> dict[str, Samples]:
    """A folder with a mixture and its stems, which are returned."""
    samples = {stem: stem_samples(seed + index) for index, stem in enumerate(stems)}
    for stem, each in samples.items():
        write(folder / f"{stem}.{extension}", each)
    write(folder / f"mixture.{extension}", mixed(samples))
    return samples


def mixed(samples: Mapping[str, Samples]) -> Samples:
    total: Samples = np.sum(list(samples.values()), axis=0)
    return total


def write_stem_file(path: Path, seed: int = 0) -> None:
    """A .stem.mp4 with five streams, without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = {stem: stem_samples(seed + index) for index, stem in enumerate(STEMS)}
    with StemFileWriter(
        path,
        sample_rate=44_100,
        channels=default_channels(2),
        num_samples=NUM_SAMPLES,
        encoding=Encoding(container="stem.mp4", codec="alac"),
    ) as writer:
        for name, each in {MASTER: mixed(samples), **samples}.items():
            writer.write(name, torch.from_numpy(each))
        writer.finish()
        writer.publish()


def write_musdb18(root: Path) -> None:
    for division, name in (("train", "A - One"), ("test", "B - Two"), ("test", "C - Three")):
        write_stem_file(root / division / f"{name}.stem.mp4")


def write_musdb18_hq(root: Path) -> None:
    for division, name in (("train", "A - One"), ("test", "B - Two"), ("test", "C - Three")):
        write_song(root / division / name, seed=len(name))


def write_dsd100(root: Path) -> None:
    for division, name in (("Dev", "051 - A"), ("Test", "001 - B")):
        samples = write_song(root / "Sources" / division / name)
        (root / "Sources" / division / name / "mixture.wav").unlink()
        write(root / "Mixtures" / division / name / "mixture.wav", mixed(samples))


def write_slakh2100(root: Path) -> None:
    for division, name in (("train", "Track00001"), ("test", "Track01876")):
        folder = root / division / name
        samples = {f"S{i:02}": stem_samples(i, num_channels=1) for i in range(4)}
        for key, each in samples.items():
            write(folder / "stems" / f"{key}.flac", each)
        write(folder / "mix.flac", mixed(samples))
        classes = ["Drums", "Bass", "Strings (continued)", "Piano", "Bass"]
        lines = ["UUID: 1f", "stems:"]
        for index, kind in enumerate(classes):  # the last one was not rendered
            drums = str(kind == "Drums").lower()
            lines += [f"  S{index:02}:", f"    inst_class: {kind}", f"    is_drum: {drums}"]
        (folder / "metadata.yaml").write_text("\n".join(lines) + "\n")


def write_moisesdb(root: Path) -> None:
    folder = root / "provider" / "0a1b"
    lengths = {"vocals": 6000, "bass": 5000, "drums": 6000, "guitar": 4000, "percussion": 5500}
    stems = []
    for index, (stem, num_samples) in enumerate(lengths.items()):
        for part in range(1 + (stem == "vocals")):
            samples = stem_samples(10 * index + part, num_samples=num_samples - 100 * part)
            write(folder / stem / f"{stem}-{part}.wav", samples)
        stems.append({"stemName": stem, "tracks": [{"id": f"{stem}-0", "extension": "wav"}]})
    (folder / "data.json").write_text(json.dumps({"song": "A song", "stems": stems}))


def write_mixed_speakers(version: Path, parts: Mapping[str, str], num_speakers: int = 2) -> None:
    """WHAM! or LibriMix below `version`: for each part the name of a mixture in it."""
    for seed, (part, name) in enumerate(parts.items()):
        speakers = {
            f"s{n}": stem_samples(10 * seed + n, num_channels=1) for n in range(1, num_speakers + 1)
        }
        noise = stem_samples(10 * seed, num_channels=1)
        sums = {
            "mix_clean": mixed(speakers),
            "mix_both": mixed({**speakers, "noise": noise}),
            "mix_single": speakers["s1"] + noise,
        }
        for folder, samples in {**speakers, "noise": noise, **sums}.items():
            write(version / part / folder / f"{name}.wav", samples)


def write_voicebank_demand(root: Path) -> None:
    for seed, (part, name) in enumerate(
        (("testset", "p232_001"), ("testset", "p257_434"), ("trainset_28spk", "p226_001"))
    ):
        clean, noise = (stem_samples(seed + n, num_channels=1) for n in (0, 50))
        write(root / f"clean_{part}_wav" / f"{name}.wav", clean)
        write(root / f"noisy_{part}_wav" / f"{name}.wav", clean + noise)


def write_dns_challenge(root: Path, *, with_noise: bool = False) -> None:
    for number in (0, 12):
        clean, noise = (stem_samples(number + n, num_channels=1) for n in (0, 50))
        write(root / "clean" / f"clean_fileid_{number}.wav", clean)
        name = f"clnsp1_fan_{number}_snr5_tl-20_fileid_{number}.wav"
        write(root / "noisy" / name, clean + noise)
        if with_noise:
            write(root / "noise" / f"noise_fileid_{number}.wav", noise)
