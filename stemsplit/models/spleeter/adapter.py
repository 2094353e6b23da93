"""From the tensors of published Spleeter networks to those of ours.

Two layouts: a file for each stem with the names of the PyTorch port, and TensorFlow's variables,
whose layers are counted through all stems and whose kernels have their axes the other way round.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import fold_batch_norms
from stemsplit.models.spleeter.model import Spleeter

_EPSILON = 1e-3
# What training keeps beside each variable, and of itself.
_TRAINING = re.compile(r".+/Adam(_\d)?|beta\d_power|global_step")
_PORT = re.compile(r"(.+)\.(down|up)(\d{1,2})(_conv\.1|_act\.0|\.0|\.3)\.(\w+)")
_VARIABLE = re.compile(r"(conv2d|conv2d_transpose|batch_normalization)(?:_(\d{1,3}))?/(\w+)")
_PARTS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def adapt_spleeter(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Our names, and norms as gains and offsets. What is not known stays, to be refused by name."""
    assert isinstance(network, Spleeter)
    num_levels = len(network.config.widths)
    ours = {}
    for name, tensor in tensors.items():
        if _TRAINING.fullmatch(name):
            continue
        port, variable = _PORT.fullmatch(name), _VARIABLE.fullmatch(name)
        if port:
            found = _from_port(port, network.config.stems, num_levels)
        elif variable:
            found = _from_variable(variable, num_levels)
        else:
            found = None
        # Height, width, input, output; of transposed convolutions output, input.
        turned = tensor.permute(3, 2, 0, 1) if variable and tensor.ndim == 4 else tensor
        ours[found or name] = turned
    unused = f".down_norms.{num_levels - 1}."  # the lowest level's is not gone through
    ours = {name: tensor for name, tensor in ours.items() if unused not in name}
    return fold_batch_norms(ours, network.state_dict().keys(), epsilon=_EPSILON)


def _from_port(match: re.Match[str], stems: Sequence[str], num_levels: int) -> str | None:
    stem, way, number, rest, part = match.groups()
    if stem not in stems:
        return None
    is_norm = rest in ("_act.0", ".3")
    if way == "up" and int(number) == num_levels + 1:
        layer = "last"
    else:
        layer = f"{way}{'_norms' if is_norm else ''}.{int(number) - 1}"
    return f"networks.{stems.index(stem)}.{layer}.{part}"


def _from_variable(match: re.Match[str], num_levels: int) -> str:
    kind, number, part = match.groups(default="0")
    per_stem = {"conv2d": num_levels + 1, "conv2d_transpose": num_levels}.get(kind, 2 * num_levels)
    stem, index = divmod(int(number), per_stem)
    if kind == "conv2d":
        layer = "last" if index == num_levels else f"down.{index}"
    elif kind == "conv2d_transpose":
        layer = f"up.{index}"
    else:
        way, index = ("down", index) if index < num_levels else ("up", index - num_levels)
        layer = f"{way}_norms.{index}"
    return f"networks.{stem}.{layer}.{_PARTS.get(part, part)}"
