"""Makes scnet.npz with the published implementations, which are no packages to install.

    python -m tests.golden.make_scnet COMMUNITY AUTHOR

COMMUNITY holds `models/scnet` of https://github.com/ZFTurbo/Music-Source-Separation-Training at
commit ccc011a, AUTHOR holds `scnet` of https://github.com/starrytong/SCNet at commit 5d95bf9.
Weights and mixture are those of `tests.models.deterministic_weights`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models.deterministic_weights import fill_by_name, noise_by_name

STEMS = ["drums", "bass", "other", "vocals"]
MODEL: dict[str, Any] = {
    "sources": STEMS,
    "audio_channels": 2,
    "dims": [4, 8, 8, 12],
    "nfft": 256,
    "hop_size": 64,
    "win_size": 256,
    "normalized": True,
    "band_SR": [0.175, 0.392, 0.433],
    "band_stride": [1, 4, 16],
    "band_kernel": [3, 4, 16],
    "conv_depths": [3, 2, 1],
    "compress": 4,
    "conv_kernel": 3,
    "num_dplayer": 4,
    "expand": 1,
}


def _communitys(model: dict[str, Any], *, normalize: bool = False) -> dict[str, Any]:
    model = {**MODEL, **model}
    return {
        "audio": {"chunk_size": 400, "num_channels": 2, "sample_rate": 44100, "min_mean_abs": 0.0},
        "model": model,
        "training": {"instruments": model["sources"], "target_instrument": None, "use_amp": True},
        "inference": {"batch_size": 8, "dim_t": 256, "num_overlap": 4, "normalize": normalize},
    }


CASES: dict[str, dict[str, Any]] = {
    "scnet": _communitys({}, normalize=True),
    "scnet_ihf": _communitys(
        {"band_SR": [0.23, 0.37, 0.4], "band_stride": [1, 4, 4], "band_kernel": [3, 4, 4]}
        | {"conv_depths": [3, 3, 3], "expand": 2}
    ),
    "scnet_two_stems": _communitys(
        {"sources": ["vocals", "other"], "normalized": False, "conv_kernel": 5, "compress": 2.5}
        | {"hop_size": 100, "num_dplayer": 2}
    ),
    "scnet_masked": _communitys({}),
    "author": {"data": {"samplerate": 44100, "segment": 11, "normalize": True}, "model": MODEL},
}
"""Configuration files; those of `author` are of the author's form."""


def mixture() -> Tensor:
    """Noise [B, C, T], the same on both sides."""
    return noise_by_name("mixture", 1, 2, 400)


def build(case: str) -> Any:
    """The reference network with weights by name."""
    if case == "author":
        module = "scnet.SCNet"
    else:
        module = f"models.scnet.{'scnet_masked' if case == 'scnet_masked' else 'scnet'}"
    network = importlib.import_module(module).SCNet(**CASES[case]["model"])
    fill_by_name(network)
    return network


if __name__ == "__main__":
    sys.path[:0] = sys.argv[1:]
    with torch.no_grad():
        estimates = {case: build(case)(mixture()).numpy() for case in CASES}
    np.savez_compressed(Path(__file__).with_name("scnet.npz"), **estimates)
