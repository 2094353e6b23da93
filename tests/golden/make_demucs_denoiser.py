"""Makes demucs_denoiser.npz with denoiser 0.1.5, whose pins leave room for nothing of today.

    python -m tests.golden.make_demucs_denoiser

in an environment of its own with denoiser==0.1.5, hydra-core==0.11.3 and omegaconf==1.4.1. Weights
are those of `tests.models.deterministic_weights`, and what is heard are `tests.models.takes`, from
the first sample to the last at once.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.models.deterministic_weights import fill_by_name
from tests.models.takes import TAKES

NUM_SAMPLES = 5000
SMALL: dict[str, Any] = {"hidden": 2}
CASES: dict[str, dict[str, Any]] = {
    "double": {
        "hidden": 3,
        "depth": 3,
        "kernel_size": 6,
        "stride": 2,
        "resample": 2,
        "growth": 1.5,
    },
    "plain": {"hidden": 4, "depth": 2, "kernel_size": 4, "stride": 4, "resample": 1},
}


def reference(arguments: dict[str, Any], *, normalize: bool = True) -> Any:
    """The reference's network, with weights by name."""
    demucs = importlib.import_module("denoiser.demucs").Demucs
    network = demucs(**arguments, normalize=normalize)
    fill_by_name(network)
    return network


if __name__ == "__main__":
    speech = {}
    with torch.no_grad():
        network = reference(SMALL)
        for name, make in TAKES.items():
            speech[name] = network(make(NUM_SAMPLES)[None])[0].numpy()
        for name, arguments in CASES.items():
            network = reference(arguments)
            speech[name] = network(TAKES["voice"](NUM_SAMPLES)[None])[0].numpy()
        network = reference(SMALL, normalize=False)
        speech["network"] = network(TAKES["noise"](NUM_SAMPLES)[None])[0].numpy()
    np.savez_compressed(Path(__file__).with_name("demucs_denoiser.npz"), **speech)
