"""Makes dnsmos.npz with the code of DNSMOS' authors.

    python -m tests.golden.make_dnsmos

Wants speechmos 0.0.1.1 with what it imports and does not ask for: librosa, onnxruntime, requests.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE = 16_000
NUM_SAMPLES = (1, 40_000, 144_160, 159_999, 160_000, 200_000, 310_001)
"""Shorter than a window, exactly one, several, and so many that the authors leave some out."""

FIGURES = ("sig_mos", "bak_mos", "ovrl_mos", "p808_mos")


def noisy_voice(num_samples: int) -> npt.NDArray[np.float32]:
    """A buzz [T] that comes and goes in syllables, with noise that slowly grows."""
    seconds = np.arange(num_samples) / RATE
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * seconds)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 25))
    syllables = np.maximum(0, np.sin(2 * np.pi * 2.3 * seconds + 1))
    noise = np.random.RandomState(0).randn(num_samples) * (0.005 + 0.001 * seconds)
    return (0.15 * buzz * syllables + noise).astype(np.float32)


if __name__ == "__main__":
    from speechmos import dnsmos

    scores = {
        str(count): [dnsmos.run(noisy_voice(count), RATE)[name] for name in FIGURES]
        for count in NUM_SAMPLES
    }
    np.savez_compressed(Path(__file__).with_name("dnsmos.npz"), **scores)
