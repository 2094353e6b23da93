"""Makes fullsubnet.npz with the authors' own network, which is no package that tests could install.

    python -m tests.golden.make_fullsubnet FOLDER

FOLDER is a checkout of https://github.com/hit-thusz-RookieCJ/FullSubNet-plus at commit a6c8908.
Weights are those of `tests.models.deterministic_weights`, and what is heard are
`tests.models.takes`, as its inferencer `mag_complex_full_band_crm_mask` hears a whole file. All is
computed in double precision: in float32 it is up to 82 dB from that, and depends on the threads.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models.deterministic_weights import fill_by_name
from tests.models.takes import TAKES

NUM_SAMPLES = 5000
N_FFT, HOP_LENGTH = 64, 32
SMALL: dict[str, Any] = {
    "num_freqs": N_FFT // 2 + 1,
    "look_ahead": 2,
    "sequence_model": "LSTM",
    "fb_num_neighbors": 0,
    "sb_num_neighbors": 5,
    "fb_output_activate_function": "ReLU",
    "sb_output_activate_function": False,
    "fb_model_hidden_size": 512,
    "sb_model_hidden_size": 8,
    "channel_attention_model": "TSSE",
    "kersize": [3, 5, 10],
    "weight_init": False,
}


def _module(folder: Path, name: str) -> Any:
    """One of the repository's modules, without what they import and these functions do not need."""
    sys.path[:0] = [str(folder), str(folder / "speech_enhance")]
    sys.modules["librosa"] = ModuleType("librosa")
    return importlib.import_module(name)


def enhanced(folder: Path, network: Any, take: Tensor) -> Tensor:
    """Speech [1, T] of a take [1, T]."""
    feature = _module(folder, "audio_zen.acoustics.feature")
    mask = _module(folder, "audio_zen.acoustics.mask")
    noisy = feature.stft(take, N_FFT, HOP_LENGTH, N_FFT)  # [1, F, N]
    crm = network(noisy.abs()[:, None], noisy.real[:, None], noisy.imag[:, None])
    parts = mask.decompress_cIRM(crm)  # [1, 2, F, N]
    speech = torch.complex(*mask.complex_mul(noisy.real, noisy.imag, parts[:, 0], parts[:, 1]))
    waveform: Tensor = feature.istft(speech, N_FFT, HOP_LENGTH, N_FFT, length=take.shape[-1])
    return waveform


if __name__ == "__main__":
    root = Path(sys.argv[1])
    torch.set_default_dtype(torch.float64)
    network = _module(root, "fullsubnet_plus.model.fullsubnet_plus").FullSubNet_Plus(**SMALL)
    fill_by_name(network)
    with torch.no_grad():
        speech = {
            name: enhanced(root, network, make(NUM_SAMPLES).double()).float().numpy()
            for name, make in TAKES.items()
        }
    np.savez_compressed(Path(__file__).with_name("fullsubnet.npz"), **speech)
