"""Networks with weights by name, in files as asteroid publishes them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from stemsplit.models.family import NetworkArguments
from stemsplit.models.registry import FAMILIES
from tests.models.deterministic_weights import values_by_name

COMPLEX = ("DCCRNet", "DCUNet")
SMALL: Mapping[str, Mapping[str, Any]] = {
    "ConvTasNet": {"n_filters": 16, "kernel_size": 8, "stride": 4}
    | {"bn_chan": 8, "hid_chan": 12, "skip_chan": 10, "n_blocks": 2, "n_repeats": 1},
    "DPRNNTasNet": {"n_filters": 16, "kernel_size": 16, "stride": 8}
    | {"bn_chan": 8, "hid_size": 6, "chunk_size": 100, "n_repeats": 1},
    "DPTNet": {"n_filters": 16, "kernel_size": 16, "stride": 8}
    | {"ff_hid": 6, "chunk_size": 100, "n_repeats": 1},
    "DCCRNet": {"architecture": "mini"}
    | {"stft_n_filters": 64, "stft_kernel_size": 48, "stft_stride": 16},
    "DCUNet": {"architecture": "mini", "fix_length_mode": "pad"}
    | {"stft_n_filters": 64, "stft_kernel_size": 48, "stft_stride": 16},
}
"""Arguments of small networks, but for speakers and rate."""


def tensors_of(class_name: str, arguments: Mapping[str, Any]) -> dict[str, Tensor]:
    """All that its file has, under its names."""
    with torch.device("meta"):
        network = FAMILIES[class_name].build(NetworkArguments((), arguments, ()))
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if class_name in COMPLEX:
        for name in [each for each in shapes if ".norm." in each and each.endswith(".weight")]:
            norm = name.removesuffix(".weight")
            shapes |= {f"{norm}.{part}": shapes[name] for part in ("running_mean", "running_var")}
        length = shapes["encoder.filterbank._filters"][-1:]
        shapes |= {f"{end}coder.filterbank.torch_window": length for end in ("en", "de")}
    tensors = {name: values_by_name(name, shape) for name, shape in shapes.items()}
    counted = [name for name in shapes if name.endswith(".running_mean")]
    return tensors | {
        name.replace("running_mean", "num_batches_tracked"): torch.tensor(7) for name in counted
    }


def file_of(class_name: str, arguments: Mapping[str, Any]) -> bytes:
    """A `pytorch_model.bin`."""
    buffer = io.BytesIO()
    package = {
        "model_name": class_name,
        "state_dict": tensors_of(class_name, arguments),
        "model_args": dict(arguments),
        "dataset": "Libri2Mix",
        "task": "sep_clean",
        "licenses": "a long text",
        "infos": {"software_versions": {"torch_version": torch.__version__}},
    }
    torch.save(package, buffer)
    return buffer.getvalue()
