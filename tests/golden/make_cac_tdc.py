"""Makes cac_tdc.npz with the authors' own network, which is no package that tests could install.

    python -m tests.golden.make_cac_tdc FOLDER

FOLDER holds `frameworks.py` and `intermediate_layers.py` from the folder `.deprecated` of
https://github.com/ws-choi/ISMIR2020_U_Nets_SVS at commit aafcb69. Weights and mixture are those of
`tests.models.deterministic_weights`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.models.deterministic_weights import fill_by_name, noise_by_name

N_FFT, HOP_LENGTH, NUM_FRAMES, TRIM = 64, 32, 16, 70
NUM_BLOCKS, NUM_CHANNELS, NUM_LAYERS = 7, 24, 2
READ_SAMPLES = HOP_LENGTH * (NUM_FRAMES - 1) + N_FFT
CHUNK_SAMPLES = READ_SAMPLES - 2 * TRIM
NUM_SAMPLES = 3 * CHUNK_SAMPLES

SMALL = {
    "n_fft": N_FFT,
    "hop_length": HOP_LENGTH,
    "num_frame": NUM_FRAMES,
    "trim": TRIM,
    "n_blocks": NUM_BLOCKS,
    "internal_channels": NUM_CHANNELS,
    "n_internal_layers": NUM_LAYERS,
}
"""The network as a checkpoint's settings describe it."""


def mixture() -> Tensor:
    """Noise [C, T], the same on both sides."""
    return noise_by_name("mixture", 2, NUM_SAMPLES)


def build(folder: Path) -> Any:
    """The authors' network with weights by name."""
    sys.path.insert(0, str(folder))
    framework = importlib.import_module("frameworks").U_Net_Framework
    layers = importlib.import_module("intermediate_layers")
    network = framework(
        SimpleNamespace(dim_f=N_FFT // 2, dim_c=4),
        "cac_mapping",
        NUM_CHANNELS,
        NUM_BLOCKS,
        lambda inner, outer, _, __: layers.TDC(inner, NUM_LAYERS, outer, 3),
        lambda _, bins: (layers.TDC_sampling(NUM_CHANNELS, "downsampling"), bins // 2),
        lambda _, bins, __: (layers.TDC_sampling(NUM_CHANNELS, "upsampling"), bins * 2),
    )
    fill_by_name(network)
    return network


def analyze(signal: Tensor) -> Tensor:
    """[C, T] -> [2C, F, N], with no frame beyond the ends (librosa's `center=False`)."""
    frames = signal.unfold(-1, N_FFT, HOP_LENGTH) * torch.hann_window(N_FFT)
    spectrum = torch.view_as_real(torch.fft.rfft(frames))  # [C, N, F, 2]
    return spectrum.permute(0, 3, 2, 1).flatten(0, 1)


def synthesize(maps: Tensor) -> Tensor:
    """The inverse of `analyze`; what no window reaches is silent."""
    parts = maps.unflatten(0, (-1, 2)).permute(0, 3, 2, 1).contiguous()  # [C, N, F, 2]
    window = torch.hann_window(N_FFT)
    frames = torch.fft.irfft(torch.view_as_complex(parts)) * window  # [C, N, n_fft]
    total, weight = torch.zeros(len(frames), READ_SAMPLES), torch.zeros(READ_SAMPLES)
    for index in range(NUM_FRAMES):
        reach = slice(index * HOP_LENGTH, index * HOP_LENGTH + N_FFT)
        total[:, reach] += frames[:, index]
        weight[reach] += window.square()
    return total / weight.clamp(min=1e-30)


def separate(network: Any, signal: Tensor) -> Tensor:
    """The authors' rule: chunks side by side, heard with TRIM samples more on either side."""
    padded = F.pad(signal, (TRIM, TRIM))
    chunks = padded.unfold(-1, READ_SAMPLES, CHUNK_SAMPLES).transpose(0, 1)  # [chunks, C, T]
    with torch.no_grad():
        estimates = [synthesize(network(analyze(chunk)[None])[0]) for chunk in chunks]
    return torch.cat([estimate[:, TRIM:-TRIM] for estimate in estimates], dim=-1)


if __name__ == "__main__":
    estimate = separate(build(Path(sys.argv[1])), mixture())
    np.savez_compressed(Path(__file__).with_name("cac_tdc.npz"), stem=estimate.numpy())
