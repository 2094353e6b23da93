"""Makes mdxnet.npz with the authors' own network, which is no package that tests could install.

    python -m tests.golden.make_mdxnet FOLDER

FOLDER is a checkout of https://github.com/kuielab/mdx-net at commit bbd46db. Weights and mixture
are those of `tests.models.deterministic_weights`.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.models.deterministic_weights import fill_by_name, noise_by_name

SETTINGS: dict[str, Any] = {
    "target_name": "bass",
    "num_blocks": 5,
    "l": 2,
    "g": 4,
    "k": 3,
    "bn": 4,
    "bias": False,
    "n_fft": 64,
    "dim_f": 24,
    "dim_t": 32,
    "dim_c": 4,
    "hop_length": 16,
    "overlap": 32,
    "lr": 0.0001,
    "optimizer": "rmsprop",
}
CASES: dict[str, dict[str, Any]] = {
    "bottleneck": SETTINGS,
    "one_product": {**SETTINGS, "bn": 0, "bias": True, "l": 1},
    "no_products": {**SETTINGS, "bn": None, "num_blocks": 3, "k": 5},
}

READ_SAMPLES = SETTINGS["hop_length"] * (SETTINGS["dim_t"] - 1)
TRIM = SETTINGS["n_fft"] // 2
CHUNK_SAMPLES = READ_SAMPLES - 2 * TRIM


def mixture() -> Tensor:
    """Noise [C, T], the same on both sides."""
    return noise_by_name("mixture", 2, 3 * CHUNK_SAMPLES)


def _stand_ins() -> None:
    """What the module imports and these networks do not need; and the FFTs of an older torch."""

    class LightningModule(nn.Module):
        def save_hyperparameters(self) -> None:
            pass

    for name, content in (
        ("pytorch_lightning", {"LightningModule": LightningModule}),
        ("pytorch_lightning.utilities", {}),
        ("pytorch_lightning.utilities.types", {"STEP_OUTPUT": object}),
        ("omegaconf", {"OmegaConf": object}),
        ("src.utils.utils", {"sdr": None}),
    ):
        module = ModuleType(name)
        vars(module).update(content)
        sys.modules[name] = module
    stft, istft = torch.stft, torch.istft
    torch.stft = lambda *args, **kwargs: torch.view_as_real(
        stft(*args, return_complex=True, **kwargs)
    )
    torch.istft = lambda bins, *args, **kwargs: istft(
        torch.view_as_complex(bins.contiguous()), *args, **kwargs
    )


def build(folder: Path, settings: dict[str, Any]) -> Any:
    """The authors' network with weights by name, but its own constants."""
    sys.path.insert(0, str(folder))
    network = importlib.import_module("src.models.mdxnet").ConvTDFNet(**settings, ckpt=None)
    constants = {name: getattr(network, name).clone() for name in ("window", "freq_pad")}
    fill_by_name(network)
    for name, value in constants.items():
        getattr(network, name).data = value
    return network


def separate(network: Any, signal: Tensor) -> Tensor:
    """The authors' rule: chunks side by side, heard with half a window more on either side."""
    padded = F.pad(signal, (TRIM, TRIM))
    chunks = padded.unfold(-1, READ_SAMPLES, CHUNK_SAMPLES).transpose(0, 1)  # [chunks, C, T]
    with torch.no_grad():
        estimates = network.istft(network(network.stft(chunks)))
    return torch.cat(list(estimates[..., TRIM:-TRIM]), dim=-1)


if __name__ == "__main__":
    _stand_ins()
    stems = {
        name: separate(build(Path(sys.argv[1]), settings), mixture()).numpy()
        for name, settings in CASES.items()
    }
    np.savez_compressed(Path(__file__).with_name("mdxnet.npz"), **stems)
