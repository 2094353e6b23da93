"""Makes spexplus.npz with the authors' own code, gemengtju/SpEx_Plus at 9fe15e1 (MIT).

    python -m tests.golden.make_spexplus CHECKOUT

Their network has 256 filters and an embedding of 256 whatever it is asked for; the rest is small
here. For 16 kHz, the lengths of windows that they wrote into the code are doubled. Weights are
those of `tests.models.deterministic_weights`, and what is heard are `tests.models.takes`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models.deterministic_weights import fill_by_name
from tests.models.takes import TAKES, voice

NUM_SAMPLES = 4000
REFERENCE_SAMPLES = 3000
_SMALL = {"N": 256, "B": 12, "H": 16, "P": 3, "X": 3, "R": 4, "norm": "gLN", "num_spks": 1}
SETTINGS: dict[str, dict[str, Any]] = {
    "8k": {"L": 20, "non_linear": "relu", **_SMALL},
    "16k": {"L": 40, "non_linear": "sigmoid", **_SMALL},
}
"""As training writes them into mdl.json."""


def reference_take() -> Tensor:
    """What the voice that is looked for sounds like [1, T]."""
    return voice(REFERENCE_SAMPLES).flip(-1)


def network_of(settings: dict[str, Any]) -> Any:
    """The authors' network, with weights by name."""
    module = importlib.import_module("conv_tas_net_decode")
    network = module.ConvTasNet(**settings)
    if settings["L"] == 40:
        hop = settings["L"] // 2
        network.L2, network.L3 = 160, 320
        for end, samples in (("middle", 160), ("long", 320)):
            setattr(network, f"encoder_1d_{end}", module.Conv1D(1, 256, samples, stride=hop))
        for end, samples in ((2, 160), (3, 320)):
            layer = module.ConvTrans1D(256, 1, kernel_size=samples, stride=hop)
            setattr(network, f"decoder_1d_{end}", layer)
    fill_by_name(network)
    return network


def extract(network: Any, take: Tensor) -> np.ndarray:
    """The voice [1, T] as the network gives it, before its program brings it to a peak."""
    aux = reference_take()
    with torch.no_grad():
        return network(take, aux, torch.tensor(float(aux.shape[-1])))[0].numpy().reshape(1, -1)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(sys.argv[1]) / "nnet"))
    voices = {}
    for name, settings in SETTINGS.items():
        network = network_of(settings)
        for take, make in TAKES.items():
            voices[f"{name}.{take}"] = extract(network, make(NUM_SAMPLES))
    np.savez_compressed(Path(__file__).with_name("spexplus.npz"), **voices)
