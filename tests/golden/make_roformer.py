"""Makes roformer.npz with the community's implementation, which is no package to install.

    python -m tests.golden.make_roformer FOLDER

FOLDER holds `models/bs_roformer` of https://github.com/ZFTurbo/Music-Source-Separation-Training at
commit ccc011a, whose networks know some arguments that those of the PyPI package do not. Weights
and mixture are those of `tests.models.deterministic_weights`.
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

from tests.models.deterministic_weights import fill_by_name, noise_by_name

COMMON: dict[str, Any] = {
    "dim": 16,
    "depth": 3,
    "stereo": True,
    "num_stems": 2,
    "time_transformer_depth": 1,
    "freq_transformer_depth": 1,
    "linear_transformer_depth": 0,
    "heads": 2,
    "dim_head": 8,
    "attn_dropout": 0.1,
    "ff_dropout": 0.1,
    "flash_attn": False,
    "stft_n_fft": 256,
    "stft_hop_length": 50,
    "stft_win_length": 256,
    "stft_normalized": False,
    "use_torch_checkpoint": False,
}
BS: dict[str, Any] = {**COMMON, "freqs_per_bands": (2, 3, 4, 20, 100)}
MEL: dict[str, Any] = {**COMMON, "num_bands": 8, "sample_rate": 44100}
CASES: dict[str, dict[str, Any]] = {
    "bs": {**BS, "zero_dc": False, "mlp_expansion_factor": 2},
    "bs_skips": {**BS, "zero_dc": False, "skip_connection": True},
    "bs_zero_dc": {**BS, "zero_dc": True, "stft_normalized": True},
    "mel": {**MEL, "zero_dc": False, "mlp_expansion_factor": 1, "mask_estimator_depth": 3},
    "mel_skips": {**MEL, "zero_dc": False, "skip_connection": True, "stereo": False},
    "mel_zero_dc": {**MEL, "zero_dc": True, "match_input_audio_length": True},
}


def mixture(case: str) -> Tensor:
    """Noise [B, C, T], the same on both sides; T is no multiple of the hop."""
    return noise_by_name("mixture", 1, 2 if CASES[case]["stereo"] else 1, 1030)


def build(models: ModuleType, case: str) -> Any:
    """The community's network with weights by name."""
    network = (models.BSRoformer if case.startswith("bs") else models.MelBandRoformer)(
        **CASES[case]
    )
    fill_by_name(network)
    return network.eval()


def main() -> None:
    sys.path.insert(0, sys.argv[1])
    models = importlib.import_module("models.bs_roformer")
    with torch.no_grad():
        estimates = {case: build(models, case)(mixture(case)) for case in CASES}
    arrays = {case: estimate.numpy() for case, estimate in estimates.items()}
    np.savez_compressed(Path(__file__).with_suffix("").with_name("roformer.npz"), **arrays)


if __name__ == "__main__":
    main()
