"""Spleeter's networks under the names that they have in published files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from stemsplit.models.family import NetworkArguments
from stemsplit.models.registry import FAMILIES
from tests.golden import make_spleeter as golden_case

NUM_LEVELS = len(golden_case.WIDTHS)


def network_of(settings: Mapping[str, Any]) -> torch.nn.Module:
    with torch.device("meta"):
        return FAMILIES["spleeter"].build(NetworkArguments((), settings, ()))


def variables(settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """Tensors by TensorFlow's names and in its order of axes, as the golden vectors' were."""
    found = {}
    for name, tensor in network_of(settings).state_dict().items():
        _, network, kind, *number, part = name.split(".")
        level = int(number[0]) if number else NUM_LEVELS
        if "norm" in kind:
            index = 2 * NUM_LEVELS * int(network) + level + NUM_LEVELS * (kind == "up_norms")
            layer, parts = f"batch_normalization_{index}", ("gamma", "beta", "moving_mean")
            parts = (*parts, "moving_variance") if part == "weight" else ()
        elif kind == "up":
            layer, parts = f"conv2d_transpose_{NUM_LEVELS * int(network) + level}", (part,)
        else:
            layer, parts = f"conv2d_{(NUM_LEVELS + 1) * int(network) + level}", (part,)
        layer = layer.removesuffix("_0") if layer.endswith("_0") else layer
        shape = tuple(tensor.shape)
        for each in parts:
            if len(shape) == 4:
                first, second, height, width = shape
                variable = golden_case.variable(layer, "kernel", (height, width, second, first))
                found[f"{layer}/kernel"] = variable
            else:
                name_there = "bias" if kind in ("up", "down", "last") else each
                found[f"{layer}/{name_there}"] = golden_case.variable(layer, name_there, shape)
    return found


def port(settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """The same under the names of the PyTorch port, which come as a file for each stem."""
    found = {}
    for name, tensor in variables(settings).items():
        match = re.fullmatch(r"([a-z0-9_]+?)(?:_(\d+))?/(\w+)", name)
        assert match
        kind, number, part = match[1], int(match[2] or 0), match[3]
        if kind == "batch_normalization":
            stem, index = divmod(number, 2 * NUM_LEVELS)
            down = index < NUM_LEVELS
            layer = f"down{index + 1}_act.0" if down else f"up{index - NUM_LEVELS + 1}.3"
        elif kind == "conv2d_transpose":
            stem, index = divmod(number, NUM_LEVELS)
            layer = f"up{index + 1}.0"
        else:
            stem, index = divmod(number, NUM_LEVELS + 1)
            layer = "up7.0" if index == NUM_LEVELS else f"down{index + 1}_conv.1"
        turned = tensor.permute(3, 2, 0, 1) if tensor.ndim == 4 else tensor
        stem_name = settings["instrument_list"][stem]
        found[f"{stem_name}.{layer}.{golden_case.PARTS.get(part, part)}"] = turned
    return found
