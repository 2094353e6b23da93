"""X-UMX as its authors publish it: tensors alone, under the names of their library, nnabla."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

_STEMS = ("bass", "drums", "vocals", "other")
"""In the order of the authors' program."""
_FRAMES_PER_LENGTH = 4
_MAX_LAYERS = 16
_NORM = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}


def arguments_from_tensors(
    tensors: Mapping[str, Tensor],
    file_name: str,  # noqa: ARG001
) -> dict[str, object] | None:
    """The arguments of the network that these are the tensors of; None for another network's.

    Hop and rate, of which nothing is to be seen, are those that the authors' program has.
    """
    names = ("input_mean_bass", "output_mean_bass", "fc1_bass/affine/W", "lstm_bass/lstm/bias")
    shapes = [tuple(tensors[name].shape) for name in names if name in tensors]
    match shapes:
        case [(num_heard,), (num_bins,), (num_inputs, hidden), (num_layers, num_directions, _, _)]:
            n_fft = 2 * (num_bins - 1)
            return {
                "sources": list(_STEMS),
                "window_length": n_fft,
                "in_chan": n_fft,
                "n_hop": n_fft // _FRAMES_PER_LENGTH,
                "hidden_size": hidden,
                "nb_channels": num_inputs // max(1, num_heard),
                "nb_layers": num_layers,
                "bidirectional": num_directions > 1,
                "max_bin": num_heard,
            }
    return None


def renamed(tensors: Mapping[str, Tensor], stems: Sequence[str]) -> dict[str, Tensor]:
    """The tensors under our names, and in our shapes; those that we do not know stay as they are.

    They are called `input_mean_{stem}` or `fc1_{stem}/affine/W`, for example; PyTorch's have dots.
    """
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        head, _, path = name.partition("/")
        layer, _, stem = head.rpartition("_")
        if stem in stems and "." not in name:
            prefix = f"networks.{stems.index(stem)}."
            ours = {prefix + part: each for part, each in _ours(layer, path, tensor)}
            found |= ours or {name: tensor}
        else:
            found[name] = tensor
    return found


def _ours(layer: str, path: str, tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Our tensors of one stem, by their names in its network; none if it is no known one."""
    kind, _, part = path.partition("/")
    if not path and tensor.ndim == 1:
        yield layer, tensor
    elif path == "affine/W" and tensor.ndim == 2:
        yield f"{layer}.weight", tensor.T.contiguous()
    elif kind == "bn" and part in _NORM and tensor.ndim == 3:
        yield f"{layer.replace('fc', 'bn')}.{_NORM[part]}", tensor.flatten()
    elif path == "lstm/weight_l0" and tensor.ndim == 4:
        yield from _lstm_weights(tensor, 0)
    elif path == "lstm/weight" and tensor.ndim == 5 and len(tensor) < _MAX_LAYERS:
        for index, weights in enumerate(tensor, start=1):
            yield from _lstm_weights(weights, index)
    elif path == "lstm/bias" and tensor.ndim == 4 and len(tensor) <= _MAX_LAYERS:
        for index, biases in enumerate(tensor):
            for suffix, bias in zip(("", "_reverse"), biases, strict=False):
                yield f"lstm.bias_ih_l{index}{suffix}", bias.flatten()
                # They have one for both.
                yield f"lstm.bias_hh_l{index}{suffix}", torch.zeros_like(bias).flatten()


def _lstm_weights(weights: Tensor, index: int) -> Iterator[tuple[str, Tensor]]:
    """Of a layer's directions [directions, gate, D, inputs + D], inputs before the state."""
    num_states = weights.shape[-2]
    for suffix, of_gates in zip(("", "_reverse"), weights, strict=False):
        rows = of_gates.flatten(0, 1)  # [4 D, inputs + D]
        yield f"lstm.weight_ih_l{index}{suffix}", rows[:, :-num_states].contiguous()
        yield f"lstm.weight_hh_l{index}{suffix}", rows[:, -num_states:].contiguous()
