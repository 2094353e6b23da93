"""Checkpoints in the layout in which Wave-U-Net's authors publish theirs, with weights by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stemsplit.models.family import NetworkArguments
from stemsplit.models.registry import FAMILIES
from tests.golden.make_waveunet import weights


def low_pass(stride: int) -> Tensor:
    """The filter [15] of a change of rate by `stride`: a sinc under a Hann window, with sum 1."""
    steps = torch.arange(-7, 8, dtype=torch.float64)
    taps = torch.sinc(steps / stride) * torch.hann_window(15, periodic=False, dtype=torch.float64)
    return (taps / taps.sum()).float()


def published_tensors(settings: dict[str, Any]) -> dict[str, Tensor]:
    with torch.device("meta"):
        network = FAMILIES["waveunet"].build(NetworkArguments((), settings, ()))
    return {
        name: low_pass(settings["strides"]).expand(tensor.shape).clone()
        if name.endswith("conv.filter")
        else weights(name, tensor.shape)
        for name, tensor in network.state_dict().items()
    }


def save(path: Path, tensors: dict[str, Tensor]) -> None:
    """What training saves; the file's name has no ending there."""
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(3))])
    state = {"step": 7, "worse_epochs": 1, "epochs": 2, "best_loss": float("inf")}
    torch.save(
        {
            "model_state_dict": tensors,
            "optimizer_state_dict": optimizer.state_dict(),
            "state": state | {"best_checkpoint": str(path)},
        },
        path,
    )
