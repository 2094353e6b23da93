"""Twelve seconds of a real voice in real noise, with both known.

The voice is Allison Smith's (CC BY-SA 3.0, Digium and the speaker), from the shared audio files.
The noise is `vinyl_hiss` and `ambi_sauna` of Sonic Pi's samples (CC0), which on Debian the package
sonic-pi-samples brings; 3.2.2 was used.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import torch
from torch import Tensor

from stemsplit.audio.source import read_blocks
from tests.audio.songs import SHARED_AUDIO

RATE = 16_000
NUM_SAMPLES = 12 * RATE
SNR_DB = 5.0

VOICE = SHARED_AUDIO / "speech" / "allison-en.flac"
NOISES = tuple(
    Path("/usr/share/sonic-pi/samples", f"{name}.flac") for name in ("vinyl_hiss", "ambi_sauna")
)


def missing_recordings() -> str:
    """What is needed for the talk and is not here, in words, or nothing."""
    missing = [path for path in (VOICE, *NOISES) if not path.is_file()]
    names = ", ".join(map(str, missing))
    return f"needs {names}: apt-get install sonic-pi-samples" if missing else ""


def noisy_talk() -> tuple[Tensor, Tensor]:
    """The voice and the mixture [1, T] at 16 kHz, both at half the level of the recording.

    Each noise is mono, has the same power, and is repeated until it is long enough.
    """
    voice = torch.cat(list(read_blocks(VOICE)), dim=-1)[:, :NUM_SAMPLES]
    noise = torch.zeros_like(voice)
    for path in NOISES:
        sound = _at_16_khz(path)
        sound = sound / sound.square().mean().sqrt()
        noise += sound.repeat(1, -(-NUM_SAMPLES // sound.shape[-1]))[:, :NUM_SAMPLES]
    gain = (voice.square().mean() / noise.square().mean() / 10 ** (SNR_DB / 10)).sqrt()
    return 0.5 * voice, 0.5 * (voice + gain * noise)


def _at_16_khz(path: Path) -> Tensor:
    """The recording in mono as ffmpeg resamples it, which published figures were measured with."""
    resampler = av.AudioResampler("fltp", "mono", RATE)
    with av.open(str(path)) as file:
        frames = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    return torch.from_numpy(np.concatenate([frame.to_ndarray() for frame in frames], axis=-1))
