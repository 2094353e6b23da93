"""Noisy speech whose true parts are known: recordings of speech with noise at given ratios.

Of which noise, and of which stretch of it, a seed decides; the same seed, files and names give the
same samples.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from stemsplit.audio.blocks import skip, take
from stemsplit.audio.file_names import display_path
from stemsplit.audio.resample import resample_blocks, resampled_length
from stemsplit.audio.source import probe, read_blocks
from stemsplit.errors import AudioReadError, UsageError
from stemsplit.evaluate.dataset import NOISE, SPEECH
from stemsplit.evaluate.demo_song import SAMPLE_RATE, make_demo_song
from stemsplit.evaluate.layout_files import AUDIO_NAME, files_in, walk

MIXTURE = "mixture"

_PEAK = 0.99
_SNR_LIMIT_DB = 100.0


@dataclass(frozen=True, kw_only=True, slots=True)
class NoisyTrack:
    """What is to be mixed: the noise begins at `noise_start`, a share of the way through its file.

    The ratio is that of the energies of both over the whole recording.
    """

    name: str
    speech: Path
    noise: Path
    snr_db: float
    noise_start: float


def plan_noisy_speech(
    clean: Path, noise: Path, *, snrs_db: Sequence[float], seed: int
) -> list[NoisyTrack]:
    """Every recording below the folder `clean` at every ratio, each with a noise that was drawn.

    Raises:
        UsageError: a folder holds no audio, or a ratio makes no sense.
    """
    for snr_db in snrs_db:
        if not abs(snr_db) <= _SNR_LIMIT_DB:
            raise UsageError(
                f"`snr` must be between {-_SNR_LIMIT_DB:g} and {_SNR_LIMIT_DB:g} dB, "
                f"got {snr_db:g}."
            )
    speech, noises = _recordings(clean), _recordings(noise)
    names = [path.relative_to(clean).with_suffix("").as_posix() for path in speech]
    several = {name for name, count in Counter(names).items() if count > 1}
    draw = random.Random(seed)
    return [
        NoisyTrack(
            name=f"{path.relative_to(clean).as_posix() if name in several else name}_{snr_db:g}dB",
            speech=path,
            noise=noises[int(draw.random() * len(noises))],
            snr_db=snr_db,
            noise_start=draw.random(),
        )
        for name, path in zip(names, speech, strict=True)
        for snr_db in dict.fromkeys(snrs_db)
    ]


def mix_noisy_speech(track: NoisyTrack) -> tuple[dict[str, Tensor], int]:
    """`mixture`, `speech` and `noise` [C, T], and their rate, which is that of the speech.

    The speech is as loud as it was, unless the mixture would clip: then all three are lowered. The
    noise is the same in all channels.

    Raises:
        AudioReadError: a file cannot be read, or one of them is silent.
    """
    sample_rate = probe(track.speech).sample_rate
    blocks = list(read_blocks(track.speech))
    speech = torch.cat(blocks, dim=-1) if blocks else torch.zeros(1, 0)  # [C, T]
    noise = _noise(track, sample_rate, speech.shape[-1])  # [1, T]
    for path, signal in ((track.speech, speech), (track.noise, noise)):
        if not signal.any():
            raise AudioReadError(f"{display_path(path)} is silent, so no ratio can be had with it.")
    energies = [signal.double().square().mean() for signal in (speech, noise)]
    gain = (energies[0] / energies[1] * 10 ** (-track.snr_db / 10)).sqrt()
    noise = (noise * gain).float().expand_as(speech)
    lowered = min(1.0, _PEAK / (speech + noise).abs().max().item())
    parts = {SPEECH: lowered * speech, NOISE: lowered * noise}
    return {MIXTURE: parts[SPEECH] + parts[NOISE], **parts}, sample_rate


def make_demo_speech(seed: int) -> tuple[dict[str, Tensor], int]:
    """A voice that sings vowels, and a hum with hiss, each [1, 10 s], and their rate."""
    voice = make_demo_song(duration_seconds=10.0, seed=seed)["vocals"].mean(dim=0, keepdim=True)
    num_samples = voice.shape[-1]
    spectrum = torch.fft.rfft(
        torch.randn(num_samples, generator=torch.Generator().manual_seed(seed))
    )
    frequency = torch.fft.rfftfreq(num_samples, 1 / SAMPLE_RATE).clamp(min=20)
    hiss = torch.fft.irfft(spectrum / frequency.sqrt(), num_samples)
    phase = 2 * torch.pi * 50 * torch.arange(num_samples) / SAMPLE_RATE
    hum = sum((torch.sin(k * phase) / k for k in (1, 2, 3, 5)), torch.zeros(num_samples))
    noise = 0.1 * (hiss / hiss.std() + 0.5 * hum)
    return {SPEECH: voice, NOISE: noise[None]}, SAMPLE_RATE


def _recordings(folder: Path) -> list[Path]:
    found = [path for place in walk(folder) for path in files_in(place)]
    found = [path for path in found if AUDIO_NAME.search(path.name)]
    if not found:
        raise UsageError(f"There are no recordings in {display_path(folder)}.")
    return found


def _noise(track: NoisyTrack, sample_rate: int, num_samples: int) -> Tensor:
    """The stretch of noise [1, T], mono; a short recording is repeated."""
    info = probe(track.noise)
    needed = resampled_length(num_samples, sample_rate, info.sample_rate)
    spare = max(0, (info.num_samples or 0) - needed)
    start = int(track.noise_start * spare)
    stretch = take(skip(read_blocks(track.noise), start), needed)
    mono = (block.mean(dim=0, keepdim=True) for block in stretch)
    blocks = list(resample_blocks(mono, from_rate=info.sample_rate, to_rate=sample_rate))
    if not blocks:
        return torch.zeros(1, num_samples)
    noise = torch.cat(blocks, dim=-1)
    if noise.shape[-1] < num_samples:
        noise = noise.roll(int(track.noise_start * noise.shape[-1]), dims=-1)
        noise = noise.repeat(1, -(-num_samples // noise.shape[-1]))
    return noise[:, :num_samples]
