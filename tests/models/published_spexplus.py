"""The tensors of a SpEx+ checkpoint as its training writes them, by name and shape."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from tests.models.deterministic_weights import values_by_name

_SIZE = 256  # the published class takes no other


def published_tensors(settings: Mapping[str, Any]) -> dict[str, Tensor]:
    """All that a checkpoint of these arguments holds, weights by name."""
    tensors = {name: values_by_name(name, shape) for name, shape in _shapes(settings)}
    counters = [name.replace("running_var", "num_batches_tracked") for name in tensors]
    return tensors | {name: torch.tensor(7) for name in counters if name not in tensors}


def _shapes(settings: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, ...]]]:
    features, inner, block = settings["N"], settings["B"], settings["H"]
    short = settings["L"]
    lengths = {"short": short, "middle": 4 * short, "long": 8 * short}
    for index, (name, length) in enumerate(lengths.items(), start=1):
        yield from _layer(f"encoder_1d_{name}", (features, 1, length))
        yield from _layer(f"mask{index}", (features, inner, 1))
        yield f"decoder_1d_{index}.weight", (features, 1, length)
        yield f"decoder_1d_{index}.bias", (1,)
    yield from _norm("ln", 3 * features)
    yield from _layer("proj", (inner, 3 * features, 1))
    for repeat in range(1, 5):
        for index in range(settings["X"]):
            other = f"_other.{index - 1}" if index else ""
            prefix = f"conv_block_{repeat}{other}"
            heard = inner if index else inner + _SIZE
            yield from _layer(f"{prefix}.conv1x1", (block, heard, 1))
            yield from _layer(f"{prefix}.dconv", (block, 1, settings["P"]))
            yield from _layer(f"{prefix}.sconv", (inner, block, 1))
            for norm in ("lnorm1", "lnorm2"):
                yield f"{prefix}.{norm}.beta", (block, 1)
                yield f"{prefix}.{norm}.gamma", (block, 1)
            for prelu in ("prelu1", "prelu2"):
                yield f"{prefix}.{prelu}.weight", (1,)
    yield from _norm("aux_enc3.0", 3 * features)
    yield from _layer("aux_enc3.1", (_SIZE, 3 * features, 1))
    sizes = (_SIZE, _SIZE, 2 * _SIZE, 2 * _SIZE)
    for index, (num_in, num_out) in enumerate(itertools.pairwise(sizes), start=2):
        yield f"aux_enc3.{index}.conv1.weight", (num_out, num_in, 1)
        yield f"aux_enc3.{index}.conv2.weight", (num_out, num_out, 1)
        if num_in != num_out:
            yield f"aux_enc3.{index}.conv_downsample.weight", (num_out, num_in, 1)
        for layer in (1, 2):
            yield from _norm(f"aux_enc3.{index}.batch_norm{layer}", num_out)
            yield f"aux_enc3.{index}.batch_norm{layer}.running_mean", (num_out,)
            yield f"aux_enc3.{index}.batch_norm{layer}.running_var", (num_out,)
            yield f"aux_enc3.{index}.prelu{layer}.weight", (1,)
    yield from _layer("aux_enc3.5", (_SIZE, 2 * _SIZE, 1))
    yield from _layer("pred_linear", (101, _SIZE))


def _layer(name: str, shape: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", (shape[0],)


def _norm(name: str, size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.weight", (size,)
    yield f"{name}.bias", (size,)
