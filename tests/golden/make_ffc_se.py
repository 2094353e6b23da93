"""Makes ffc_se.npz and ffc_se.json with the authors' own network, which is no package to install.

    python -m tests.golden.make_ffc_se FOLDER

FOLDER is a checkout of https://github.com/SamsungLabs/ffc_se at commit b07f517. Weights are those
of `tests.models.deterministic_weights`; what is heard are `tests.models.takes`, as its trainer
hears files: with the peak at 0.95, and silence up to the next power of two. The scaling is taken
back. All is in double precision. Where torch no longer takes spectrograms of real numbers, they are
handed over as complex ones. The json has the shapes of a checkpoint's tensors, by their names.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.models.deterministic_weights import fill_by_name
from tests.models.takes import TAKES

NUM_SAMPLES = 2000
"""48 less than a power of two, so that the end is near."""
LENGTHS = (600, 1200, 2048)
"""Of a voice besides, for the silence behind it."""
PEAK = 0.95
_STFT = {"n_fft": 64, "hop_length": 16}
SMALL: Mapping[str, Mapping[str, Any]] = {
    "ae": {
        "mode": "ae",
        "out_channels": 8,
        "scale_factor": 1,
        "block_depth": [2],
        "ffc_global_ratio_in": [0.75],
        **_STFT,
    },
    "unet": {
        "mode": "unet",
        "out_channels": 8,
        "scale_factor": 2,
        "block_depth": [1, 2, 1],
        "ffc_global_ratio_in": [0.75, 0.5, 0.0],
        **_STFT,
    },
}
_FIXED = {
    "special_estimate": None,
    "fu_kernel": 1,
    "ffc_conv_kernel": 3,
    "fft_norm": "ortho",
    "use_only_freq": True,
    "stride": [2, 2],
    "padding_type": "reflect",
    "bias": False,
}


def heard(name: str) -> Tensor:
    """The take [1, T] of that name, or the voice with that many samples."""
    return TAKES["voice"](int(name)) if name.isdecimal() else TAKES[name](NUM_SAMPLES)


NAMES = (*TAKES, *map(str, LENGTHS))


def network_of(folder: Path, arguments: Mapping[str, Any]) -> nn.Module:
    """The authors' network, with weights by name."""
    stft = {key: arguments[key] for key in _STFT}
    model = {key: value for key, value in arguments.items() if key not in stft} | _FIXED
    model["use_connection"] = "concat" if model["mode"] == "unet" else None
    model["ffc_global_ratio_out"] = model["ffc_global_ratio_in"]
    stft |= {"win_length": stft["n_fft"], "return_complex": False}
    stft |= {"center": True, "window": "hann_window"}
    network: nn.Module = _module(folder, "models.ffc_se_model").FFCSE(model, stft)
    fill_by_name(network)
    return network


def _module(folder: Path, name: str) -> Any:
    """One of the repository's modules, without what they import and networks do not need."""
    sys.path.insert(0, str(folder))
    sys.modules.setdefault("omegaconf", ModuleType("omegaconf")).MISSING = None  # type: ignore[attr-defined]
    return importlib.import_module(name)


@contextmanager
def _real_spectrograms() -> Iterator[None]:
    """torch.stft and torch.istft with spectrograms [..., 2], as torch 1.10 had them."""
    stft, istft = torch.stft, torch.istft

    def real_stft(signal: Tensor, *sizes: int, **how: Any) -> Tensor:
        return torch.view_as_real(stft(signal, *sizes, **{**how, "return_complex": True}))

    def real_istft(spectrogram: Tensor, **how: Any) -> Tensor:
        if not spectrogram.is_complex():
            spectrogram = torch.view_as_complex(spectrogram.contiguous())
        return istft(spectrogram, **how)

    torch.stft, torch.istft = real_stft, real_istft  # type: ignore[assignment]
    yield
    torch.stft, torch.istft = stft, istft


def enhanced(network: nn.Module, take: Tensor) -> Tensor:
    """Speech [1, T] of a file [1, T], with the file's own level."""
    num_samples = take.shape[-1]
    scale = float(take.abs().max()) / PEAK or 1.0
    missing = (1 << (num_samples - 1).bit_length()) - num_samples
    with torch.no_grad(), _real_spectrograms():
        speech = network(nn.functional.pad(take[None] / scale, (0, missing)))
    return speech[0, :, :num_samples] * scale


if __name__ == "__main__":
    root = Path(sys.argv[1])
    torch.set_default_dtype(torch.float64)
    speech, shapes = {}, {}
    for mode, arguments in SMALL.items():
        network = network_of(root, arguments)
        shapes[mode] = {
            name: "x".join(map(str, each.shape)) for name, each in network.state_dict().items()
        }
        for name in NAMES:
            speech[f"{mode}/{name}"] = enhanced(network, heard(name).double()).float().numpy()
    np.savez_compressed(Path(__file__).with_name("ffc_se.npz"), **speech)
    Path(__file__).with_name("ffc_se.json").write_text(json.dumps(shapes, indent=0) + "\n")
