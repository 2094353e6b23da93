"""Makes hifi_plusplus.npz and .json with the authors' own network, which is no package to install.

    python -m tests.golden.make_hifi_plusplus FOLDER

FOLDER is a checkout of https://github.com/SamsungLabs/hifi_plusplus at commit 4badb12, beside an
installed librosa. Weights are those of `tests.models.deterministic_weights`, but for two
layers whose gains are lower, so that the tanh at the end hides nothing; what is heard are
`tests.models.takes`, as the trainer hears files: with the peak at 0.95, and silence up to the next
power of two. The scaling is taken back. The network is as it is published, with fewer channels: its
spectrograms are handed over as the newer torch and librosa want them. The json has the shapes of a
checkpoint's tensors, by their names.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.golden.make_ffc_se import enhanced
from tests.models.deterministic_weights import values_by_name
from tests.models.takes import TAKES

NUM_SAMPLES = 4000
"""96 less than a power of two, so that the end is near."""
LENGTHS = (4096, 9000, 66_000)
"""Of a voice besides; of the last the end alone is kept. Silence behind it is beyond reach."""
NUM_KEPT = 4000
ARGUMENTS: Mapping[str, Any] = {
    "hifi_upsample_initial_channel": 32,
    "spectralunet_block_widths": (3, 4, 5, 6, 8),
    "spectralunet_block_depth": 1,
    "waveunet_block_widths": (3, 4, 6),
    "waveunet_block_depth": 2,
    "spectralmasknet_block_widths": (3, 4, 6),
    "spectralmasknet_block_depth": 1,
}
FLAT: Mapping[str, Any] = {
    **ARGUMENTS,
    **{f"{each}_block_widths": [3] for each in ("spectralunet", "waveunet", "spectralmasknet")},
}
"""It hears less far, and its levels are lower."""
NAMES = (*TAKES, *map(str, LENGTHS))
_GAINS = {"spectralmasknet.net.net.2.weight_g": 0.01, "conv_post.weight_g": 0.0007}


def heard(name: str) -> Tensor:
    """The take [1, T] of that name, or the voice with that many samples."""
    return TAKES["voice"](int(name)) if name.isdecimal() else TAKES[name](NUM_SAMPLES)


def weights(name: str, shape: tuple[int, ...]) -> Tensor:
    """The tensor of that name in a checkpoint."""
    return _GAINS.get(name, 1.0) * values_by_name(name, shape)


def network_of(folder: Path, arguments: Mapping[str, Any]) -> nn.Module:
    """The authors' network, with weights by name."""
    sys.path.insert(0, str(folder))
    librosa_filters = importlib.import_module("librosa.filters")
    mel = librosa_filters.mel

    def positional(*args: float, **named: float) -> Any:
        return mel(
            **dict(zip(("sr", "n_fft", "n_mels", "fmin", "fmax"), args, strict=False)), **named
        )

    librosa_filters.mel = positional
    sys.modules.setdefault("omegaconf", ModuleType("omegaconf")).MISSING = None  # type: ignore[attr-defined]
    registry: Any = importlib.import_module("utils").ClassRegistry
    registry.make_dataclass_from_init = lambda *_: None  # which newer Pythons refuse
    module: Any = importlib.import_module("models.hifi")
    network: nn.Module = module.A2AHiFiPlusGeneratorV2(**arguments).eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            tensor.copy_(weights(name, tuple(tensor.shape)))
    return network


if __name__ == "__main__":
    network = network_of(Path(sys.argv[1]), ARGUMENTS)
    shapes = {name: "x".join(map(str, each.shape)) for name, each in network.state_dict().items()}
    speech = {name: enhanced(network, heard(name))[:, -NUM_KEPT:].numpy() for name in NAMES}
    place = Path(__file__).with_name("hifi_plusplus.npz")
    np.savez_compressed(place, **speech)
    place.with_suffix(".json").write_text(json.dumps(shapes, indent=0) + "\n")
