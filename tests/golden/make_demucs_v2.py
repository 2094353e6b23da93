"""Makes demucs_v2.npz with demucs 2.0.3, which cannot be installed beside the demucs of the tests.

    python -m tests.golden.make_demucs_v2 FOLDER

FOLDER is the unpacked source distribution demucs-2.0.3.tar.gz. Weights and mixture are those of
`tests.models.deterministic_weights`.
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

SMALL: dict[str, Any] = {
    "sources": ["drums", "bass", "other", "vocals"],
    "channels": 4,
    "depth": 3,
    "segment_length": 600,
}
DEMUCS: dict[str, dict[str, Any]] = {
    "demucs": SMALL,
    "demucs_plain": {
        **SMALL,
        "resample": False,
        "glu": False,
        "lstm_layers": 0,
        "normalize": True,
        "audio_channels": 1,
    },
    "demucs_deep": {**SMALL, "depth": 4, "context": 1, "lstm_layers": 1, "growth": 1.5},
}
_SMALL_TASNET: dict[str, Any] = {"N": 8, "B": 6, "H": 12, "X": 3, "R": 2}
TASNET: dict[str, dict[str, Any]] = {
    "tasnet": {**_SMALL_TASNET, "sources": SMALL["sources"]},
    "tasnet_mono": {**_SMALL_TASNET, "sources": ["a", "b"], "L": 8, "P": 5, "audio_channels": 1},
}
NUM_SAMPLES = 600


def mixture(num_channels: int, num_samples: int) -> Tensor:
    """Noise [B, C, T], the same on both sides."""
    return noise_by_name("mixture", 1, num_channels, num_samples)


def networks(folder: Path) -> dict[str, Any]:
    """The reference networks with weights by name."""
    sys.path.insert(0, str(folder))
    quantisation = ModuleType("diffq")  # imported by a module that these networks need little of
    vars(quantisation).update(UniformQuantizer=None, DiffQuantizer=None)
    sys.modules["diffq"] = quantisation
    demucs = importlib.import_module("demucs.model").Demucs
    tasnet = importlib.import_module("demucs.tasnet").ConvTasNet
    built = {name: demucs(**arguments) for name, arguments in DEMUCS.items()}
    built |= {name: tasnet(**arguments) for name, arguments in TASNET.items()}
    for network in built.values():
        fill_by_name(network)
    return built


if __name__ == "__main__":
    stems = {}
    with torch.no_grad():
        for name, network in networks(Path(sys.argv[1])).items():
            length = network.valid_length(NUM_SAMPLES)
            stems[name] = network(mixture(network.audio_channels, length)).numpy()
    np.savez_compressed(Path(__file__).with_name("demucs_v2.npz"), **stems)
