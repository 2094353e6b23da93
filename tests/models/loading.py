"""Networks with given weights, and whole tracks through the engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.models.spec import Model
from tests.engine.toy_models import model_of
from tests.engine.tracks import Track

GOLDEN = Path(__file__).resolve().parents[1] / "golden"

Network = TypeVar("Network", bound=nn.Module)
Adapter = Callable[[Mapping[str, Tensor], Collection[str]], dict[str, Tensor]]


def loaded(
    build: Callable[[], Network], tensors: Mapping[str, Tensor], adapt: Adapter | None = None
) -> Network:
    """The network with exactly these tensors, ready to run: what the registry does, in short."""
    with torch.device("meta"):
        network = build()
    names = network.state_dict().keys()
    network.load_state_dict(
        adapt(tensors, names) if adapt else dict(tensors), strict=True, assign=True
    )
    return network.eval().requires_grad_(False)


def separate(
    model: Model, mixture: Mixture, options: SeparationOptions | None = None
) -> dict[str, Tensor]:
    """The stems [C, T] of a track, by name, as the engine streams them."""
    runtime = choose_runtime(device="cpu", batch_size=1)
    return Track(mixture, model_of(model), runtime, options).stems()


def golden(name: str) -> dict[str, Tensor]:
    """The arrays of tests/golden/{name}.npz."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        return {key: torch.from_numpy(file[key]) for key in file.files}
