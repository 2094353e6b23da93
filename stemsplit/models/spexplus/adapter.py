"""From the tensors of published SpEx+ checkpoints to those of our network."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import fold_batch_norms

_ONLY_FOR_TRAINING = re.compile(r"(pred_linear|mask[23]|decoder_1d_[23])\..*")
"""What tells training speakers apart, and estimates of longer windows, which nobody listens to."""

_BLOCK = re.compile(r"conv_block_(\d{1,2})(?:_other\.(\d{1,2}))?\.(.*)")
_LAYER = re.compile(r"aux_enc3\.(\d)\.(conv|batch_norm)([12])\.(.*)")
_RENAMED = {"aux_enc3": "speaker", "mask1": "mask", "decoder_1d_1": "decoder"} | {
    f"encoder_1d_{length}": f"encoders.{length}" for length in ("short", "middle", "long")
}

_NORMS = {
    f"{theirs}.{part}": f"{ours}.{gain}"
    for theirs, ours in (("ln", "ln"), ("aux_enc3.0", "speaker.0"))
    for part, gain in (("weight", "gamma"), ("bias", "beta"))
}


def adapt_spexplus(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Our names, with batch norms inside the layers before them; what is unknown stays."""
    kept = {name: each for name, each in tensors.items() if not _ONLY_FOR_TRAINING.fullmatch(name)}
    renamed = {_our_name(name): _without_frames(each) for name, each in kept.items()}
    return fold_batch_norms(renamed, network.state_dict().keys())


def _without_frames(tensor: Tensor) -> Tensor:
    """Gains and offsets [D] of those that come as [D, 1]."""
    return tensor[:, 0] if tensor.ndim == 2 and tensor.shape[1] == 1 else tensor


def _our_name(name: str) -> str:
    if name in _NORMS:
        return _NORMS[name]
    block, layer = _BLOCK.fullmatch(name), _LAYER.fullmatch(name)
    if block:
        index = 0 if block[2] is None else int(block[2]) + 1
        return f"repeats.{int(block[1]) - 1}.{index}.{block[3]}"
    if layer:  # a norm and the layer before it become neighbours, so that one goes into the other
        return f"speaker.{layer[1]}.convs.{layer[3]}.{int(layer[2] != 'conv')}.{layer[4]}"
    top, dot, rest = name.partition(".")
    return _RENAMED.get(top, top) + dot + rest
