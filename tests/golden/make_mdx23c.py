"""Makes mdx23c.npz with the community's implementation, which is no package to install.

    python -m tests.golden.make_mdx23c FOLDER

FOLDER holds `mdx23c_tfc_tdf_v3.py` from the folder `models` of
https://github.com/ZFTurbo/Music-Source-Separation-Training at commit ccc011a. Weights and mixture
are those of `tests.models.deterministic_weights`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models.deterministic_weights import fill_by_name, noise_by_name

AUDIO: dict[str, Any] = {
    "chunk_size": 480,
    "dim_f": 24,
    "dim_t": 16,
    "hop_length": 32,
    "n_fft": 128,
    "num_channels": 2,
    "sample_rate": 44100,
    "min_mean_abs": 0.001,
}
MODEL: dict[str, Any] = {
    "act": "gelu",
    "bottleneck_factor": 2,
    "growth": 4,
    "norm": "InstanceNorm",
    "num_blocks_per_scale": 2,
    "num_channels": 8,
    "num_scales": 2,
    "num_subbands": 3,
    "scale": [2, 2],
}
TRAINING: dict[str, Any] = {
    "instruments": ["vocals", "bass", "drums", "other"],
    "target_instrument": None,
    "use_amp": True,
}


def _case(model: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    return {
        "audio": AUDIO,
        "model": {**MODEL, **model},
        "training": {**TRAINING, **training},
        "inference": {"batch_size": 1, "dim_t": 16, "num_overlap": 4},
    }


CASES = {
    "four_stems": _case({}, {}),
    "two_stems": _case(
        {"num_scales": 1, "num_subbands": 1, "growth": 0, "scale": [4, 2]},
        {"instruments": ["Vocals", "Instrumental"]},
    ),
    "drum_kit": _case(
        {"act": "relu", "norm": "BatchNorm", "num_blocks_per_scale": 1, "bottleneck_factor": 1},
        {"instruments": ["kick", "snare", "toms", "hh", "ride", "crash"]},
    ),
    "one_target": _case(
        {"act": "elu0.5", "norm": "GroupNorm2", "scale": [1, 2]},
        {"target_instrument": "vocals"},
    ),
}
"""Configuration files, as the section `model` and what matters of the others."""


def mixture() -> Tensor:
    """Noise [B, C, T], the same on both sides."""
    return noise_by_name("mixture", 2, 2, AUDIO["chunk_size"])


def build(folder: Path, settings: dict[str, Any]) -> Any:
    """The reference network with weights by name."""
    # The module takes one small function from a file that needs much else.
    helpers = ModuleType("utils.model_utils")
    helpers.prefer_target_instrument = lambda config: (  # type: ignore[attr-defined]
        [config.training.target_instrument]
        if config.training.target_instrument
        else config.training.instruments
    )
    sys.modules["utils"], sys.modules["utils.model_utils"] = ModuleType("utils"), helpers
    sys.path.insert(0, str(folder))
    sections = {name: SimpleNamespace(**values) for name, values in settings.items()}
    network = importlib.import_module("mdx23c_tfc_tdf_v3").TFC_TDF_net(SimpleNamespace(**sections))
    fill_by_name(network)
    return network


if __name__ == "__main__":
    with torch.no_grad():
        stems = {
            name: build(Path(sys.argv[1]), settings)(mixture()).reshape(2, -1, 2, 480).numpy()
            for name, settings in CASES.items()
        }
    np.savez_compressed(Path(__file__).with_name("mdx23c.npz"), **stems)
