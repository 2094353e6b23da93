"""Makes waveunet.npz with the authors' own code, f90/Wave-U-Net-Pytorch at 86c113d (MIT).

    python -m tests.golden.make_waveunet CHECKOUT

Weights and mixtures are those of `tests.models.deterministic_weights`; the low-pass filters are the
authors'. Of their test.py only `predict` runs, so that what it imports beside need not be there.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models.deterministic_weights import noise_by_name, values_by_name

SETTINGS: dict[str, dict[str, Any]] = {
    "stereo": {
        "instruments": ["bass", "vocals"],
        "num_inputs": 2,
        "num_channels": [8, 16, 16],
        "kernel_size": 5,
        "strides": 4,
        "target_output_size": 420,
    },
    "mono": {
        "instruments": ["piano"],
        "num_inputs": 1,
        "num_channels": [16, 8, 24, 8],
        "kernel_size": 3,
        "strides": 2,
        "target_output_size": 200,
    },
}
NUM_SAMPLES = 1100  # two pieces and a part of a third, of the first network


def takes(num_channels: int) -> dict[str, Tensor]:
    """Mixtures [C, T]."""
    noise = noise_by_name("mixture", num_channels, NUM_SAMPLES)
    onset, click = noise.clone(), torch.zeros_like(noise)
    onset[:, : NUM_SAMPLES // 2] = 0
    click[:, 100::400] = 0.9
    return {
        "noise": noise,
        "silence": torch.zeros_like(noise),
        "onset": onset,
        "offset": 0.3 * noise + 0.5,
        "click": click,
        "quiet": 1e-4 * noise,
    }


def weights(name: str, shape: Sequence[int]) -> Tensor:
    """Of all but the low-pass filters. Estimates are loud, but few samples are at full scale."""
    return values_by_name(name, shape) * (0.25 if "output_conv" in name else 1)


def network_of(settings: dict[str, Any]) -> Any:
    """The authors' network."""
    from model.waveunet import Waveunet

    network = Waveunet(
        num_outputs=settings["num_inputs"],
        conv_type="gn",
        res="fixed",
        separate=True,
        depth=1,
        **settings,
    )
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not name.endswith("conv.filter"):
                tensor.copy_(weights(name, tensor.shape))
    return network.eval()


def heard(network: Any, num_channels: int) -> Tensor:
    """What the network is tried with [1, C, T]."""
    return noise_by_name("heard", 1, num_channels, network.input_size)


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    for absent in ("museval", "tqdm", "data.utils", "utils"):
        sys.modules[absent] = ModuleType(absent)
    sys.modules["tqdm"].tqdm = None  # type: ignore[attr-defined]
    from test import predict  # type: ignore[attr-defined]

    arrays = {}
    for name, settings in SETTINGS.items():
        network, num_channels = network_of(settings), settings["num_inputs"]
        stems = settings["instruments"]
        with torch.no_grad():
            each = [network(heard(network, num_channels), stem)[stem] for stem in stems]
        arrays[f"{name}.network"] = torch.stack(each, dim=1).numpy()
        for take, mixture in takes(num_channels).items():
            estimates = predict(mixture.numpy(), network)
            arrays[f"{name}.{take}"] = np.stack([estimates[stem] for stem in stems])
    np.savez_compressed(Path(__file__).with_name("waveunet.npz"), **arrays)
