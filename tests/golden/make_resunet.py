"""Makes resunet.npz with the authors' own networks and program, which tests cannot install.

    python -m tests.golden.make_resunet FOLDER

FOLDER holds the packages of the wheels `bytesep==0.1.1` and `torchlibrosa==0.1.0`, unpacked; what
these import (librosa, SciPy) is installed. Levels have few channels here: the networks' own layers
are replaced by narrow ones of the same classes. All filters and weights are those of `published`.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.models.deterministic_weights import values_by_name
from tests.models.takes import TAKES

MODULES = {
    "ResUNet143_Subbandtime": "resunet_subbandtime",
    "MobileNet_Subbandtime": "mobilenet_subbandtime",
}
WIDTHS = (4, 6, 8, 8, 10, 10)
SAMPLE_RATE, SEGMENT_SAMPLES = 8000, 1024
NUM_SAMPLES = 2501
"""Of a track; here the last segment counts, of which most is beyond the end."""


def settings(model_type: str, stems: Sequence[str] = ("vocals",)) -> dict[str, Any]:
    """A configuration of the authors' program, with what makes the network small."""
    return {
        "task_name": "musdb18",
        "train": {
            "target_source_types": list(stems),
            "sample_rate": SAMPLE_RATE,
            "input_channels": 2,
            "output_channels": 2,
            "segment_seconds": 3.0,
            "model_type": model_type,
            "channels": list(WIDTHS),
        },
        "evaluate": {"segment_seconds": SEGMENT_SAMPLES / SAMPLE_RATE, "batch_size": 1},
    }


def track(take: str) -> Tensor:
    """One of the takes on the left, and its reversal at a lower level on the right: [C, T]."""
    (left,) = TAKES[take](NUM_SAMPLES)
    return torch.stack([left, 0.7 * left.flip(0)])


def published(name: str, shape: Sequence[int]) -> Tensor:
    """The tensor of that published name: small steps, since there are 68 of them in a row."""
    values = values_by_name(name, shape)
    ends_a_unit = name.endswith(("conv2.weight", "conv1c.weight", "conv2c.weight"))
    return 0.2 * values if ends_a_unit else values


def build(folder: Path, model_type: str, num_stems: int) -> Any:
    """The authors' network, narrow."""
    scipy_io = importlib.import_module("scipy.io")
    with tempfile.TemporaryDirectory() as home:  # where its filters are looked for
        filters = Path(home) / "bytesep_data" / "filters"
        filters.mkdir(parents=True)
        for key in "fh":
            scipy_io.savemat(filters / f"{key}_4_64.mat", {key: np.zeros((4, 64))})
        os.environ["HOME"] = home
        module = _module(folder, f"bytesep.models.{MODULES[model_type]}")
        network = getattr(module, model_type)(2, 2, num_stems)
    _make_narrow(network, module)
    network.eval()
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            transforms = name.startswith(("stft.", "istft."))
            if tensor.is_floating_point() and not transforms:
                tensor.copy_(published(name, tensor.shape))
    return network


def _module(folder: Path, name: str) -> Any:
    sys.path.insert(0, str(folder))
    lightning = ModuleType("pytorch_lightning")  # imported for training alone
    lightning.LightningModule = torch.nn.Module  # type: ignore[attr-defined]
    sys.modules["pytorch_lightning"] = lightning
    return importlib.import_module(name)


def _make_narrow(network: Any, module: Any) -> None:
    mobile = hasattr(module, "MobileNetConvBlock")
    prefix, suffix = ("MobileNet", "") if mobile else ("", "Res4B")
    encoder = getattr(module, f"{prefix}EncoderBlock{suffix}")
    decoder = getattr(module, f"{prefix}DecoderBlock{suffix}")
    rest = {"kernel_size": (3, 3), "activation": "leaky_relu", "momentum": 0.01}
    inputs = (8, *WIDTHS)
    for level, width in enumerate(WIDTHS):
        factors = (2 if level < 5 else 1, 2)
        down = encoder(inputs[level], width, downsample=factors, **rest)
        setattr(network, f"encoder_block{level + 1}", down)
        deeper = WIDTHS[min(level + 1, 5)]
        setattr(
            network, f"decoder_block{6 - level}", decoder(deeper, width, upsample=factors, **rest)
        )
    plain = (
        module.MobileNetConvBlock if mobile else lambda *a, **k: encoder(*a, downsample=(1, 1), **k)
    )
    for letter in ("",) if mobile else "abcd":
        setattr(network, f"conv_block7{letter}", plain(WIDTHS[5], WIDTHS[5], **rest))
    network.after_conv_block1 = plain(WIDTHS[0], WIDTHS[0], **rest)
    maps = network.after_conv2
    network.after_conv2 = torch.nn.Conv2d(WIDTHS[0], maps.out_channels, 1)


def separated(folder: Path, network: Any, mixture: Tensor) -> Tensor:
    """What the authors' program makes of a track [C, T]: [C, T]."""
    separator = _module(folder, "bytesep.separator").Separator(network, SEGMENT_SAMPLES, 1, "cpu")
    return torch.from_numpy(separator.separate({"waveform": mixture.numpy()}))


def main(folder: Path) -> Mapping[str, Tensor]:
    found = {}
    for model_type in MODULES:
        network = build(folder, model_type, 1)
        for take in TAKES:
            found[f"{model_type}.{take}"] = separated(folder, network, track(take))
    pair = build(folder, "MobileNet_Subbandtime", 2)
    with torch.no_grad():
        segment = track("noise")[None, :, :SEGMENT_SAMPLES]
        found["pair"] = pair({"waveform": segment})["waveform"].unflatten(1, (2, 2))
    return found


if __name__ == "__main__":
    arrays = {name: tensor.numpy() for name, tensor in main(Path(sys.argv[1])).items()}
    np.savez_compressed(Path(__file__).with_name("resunet.npz"), **arrays)
