"""Faster executions of the networks' layers on a CPU.

A family's own modules are the readable definition that parity tests run against. Here layers are
swapped for others that compute the same in fewer passes over memory, wherever their type is one
that the table below knows; and none is kept unless the network as a whole still gives, on this
machine, what it gave before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.models.blocks.dconv import DConv
from stemsplit.models.blocks.hybrid_layers import DecoderLayer, EncoderLayer
from stemsplit.models.demucs.model import UNetLevel
from stemsplit.models.fast import products
from stemsplit.models.fast.folded_dconv import FastDConv
from stemsplit.models.fast.fused_transformer import FastCrossLayer, FastSelfLayer
from stemsplit.models.fast.hybrid import FastDecoderLayer, FastEncoderLayer
from stemsplit.models.fast.hybrid import fits as _fits
from stemsplit.models.fast.roformer import FastFeedForward, FastRotaryAttention
from stemsplit.models.fast.stem_unet import FastStemUNet
from stemsplit.models.fast.tfc_tdf import FastRescale, FastTfcTdf
from stemsplit.models.fast.waveform import FastChain, FastPointwise, is_pointwise
from stemsplit.models.htdemucs.transformer import CrossLayer, SelfLayer
from stemsplit.models.mdxnet.model import Rescale, TfcTdf
from stemsplit.models.roformer.attention import FeedForward, GatedAttention
from stemsplit.models.spleeter.network import StemUNet

_log = logging.getLogger(__name__)

# Rounding alone leaves 110 dB and more in float32, and 55 dB and more in bfloat16.
_REQUIRED_DB = {torch.float32: 90.0, torch.bfloat16: 45.0}

# After a click, either side is further from exact: Demucs at 91 dB in float32.
_ALLOWANCE_DB = 5.0


class _Rule(NamedTuple):
    """`build` makes the fast layer from a plain one of type `kind`, if `fits` says that it can."""

    kind: type[nn.Module]
    build: Callable[[Any, torch.dtype], nn.Module]
    fits: Callable[[Any], bool] = lambda _: True
    allows_bfloat16: bool = False


_RULES = (
    _Rule(EncoderLayer, lambda layer, _: FastEncoderLayer(layer), _fits),
    _Rule(DecoderLayer, lambda layer, _: FastDecoderLayer(layer), _fits),
    _Rule(SelfLayer, FastSelfLayer, allows_bfloat16=True),
    _Rule(CrossLayer, FastCrossLayer, allows_bfloat16=True),
    _Rule(UNetLevel, lambda layer, _: FastChain(layer)),
    _Rule(DConv, lambda layer, _: FastDConv(layer)),
    _Rule(StemUNet, FastStemUNet, allows_bfloat16=True),
    _Rule(TfcTdf, lambda layer, _: FastTfcTdf(layer)),
    _Rule(Rescale, lambda layer, _: FastRescale(layer)),
    _Rule(GatedAttention, lambda layer, _: FastRotaryAttention(layer), attrgetter("is_rotary")),
    _Rule(FeedForward, lambda layer, _: FastFeedForward(layer)),
    _Rule(nn.Conv1d, lambda layer, _: FastPointwise(layer), is_pointwise),
    _Rule(nn.Linear, lambda layer, _: products.FastLinear(layer)),
)


@runtime_checkable
class SelfTested(Protocol):
    """A network that can be tried cheaply."""

    def self_test(self, device: torch.device | str = "cpu") -> Tensor:
        """What all of its layers together make of signals that are the same at each call, [B, ...].

        The first is noise; see `models.self_test`. `device` is the one that the network is on.
        """
        ...


class _Swap(NamedTuple):
    parent: nn.Module
    name: str
    plain: nn.Module
    fast: nn.Module
    dtype: torch.dtype


def accelerate(network: object, dtype: torch.dtype = torch.float32) -> torch.dtype | None:
    """Swaps layers of `network` in place; the lowest precision in use now, None if none were.

    With bfloat16, the layers use it that bear it (see the table), and no others. A network that
    has no faster layers, or gives something else with them, is left as it was.
    """
    if not (isinstance(network, nn.Module) and isinstance(network, SelfTested)):
        return None
    if not products.are_available():
        return None
    with torch.inference_mode():
        expected = network.self_test()
        for parameter in network.parameters():
            # They are parts of a file in memory, all of which the last few of them would keep.
            parameter.data = parameter.clone()
        try:
            swaps = list(_find_swaps(network, dtype))
        except RuntimeError as error:  # not even packing the weights works
            _log.info("Fast layers could not be made: %s", error)
            return None
        if not swaps:
            return None
        reached_db = _try(network, swaps, expected)
    used = dtype if any(swap.dtype == dtype for swap in swaps) else torch.float32
    if reached_db >= _REQUIRED_DB[used]:
        return used
    for swap in swaps:
        setattr(swap.parent, swap.name, swap.plain)
    _log.warning(
        "Fast layers (%s) are off: on this machine they agree with the plain ones to %.0f dB only.",
        str(used).removeprefix("torch."),
        reached_db,
    )
    return None


def _find_swaps(module: nn.Module, dtype: torch.dtype) -> Iterator[_Swap]:
    for name, child in module.named_children():
        rule = _rule_for(child)
        if rule is None:
            yield from _find_swaps(child, dtype)
        else:
            used = dtype if rule.allows_bfloat16 else torch.float32
            yield _Swap(module, name, child, rule.build(child, used), used)


def _rule_for(layer: nn.Module) -> _Rule | None:
    fitting = (rule for rule in _RULES if type(layer) is rule.kind and rule.fits(layer))
    return next(fitting, None)


def _try(network: nn.Module, swaps: list[_Swap], expected: Tensor) -> float:
    """Makes the swaps; how well the network agrees then with what is expected, in dB.

    That of the signal where it agrees least, with an allowance for all but noise.
    """
    assert isinstance(network, SelfTested)
    for swap in swaps:
        setattr(swap.parent, swap.name, swap.fast)
    try:
        found = network.self_test()
        noise, *others = map(signal_to_difference_db, expected, found)
        return min([noise, *(level + _ALLOWANCE_DB for level in others)])
    except (RuntimeError, AttributeError) as error:
        # The operators are not public: another release of torch may not take what this one takes.
        _log.info("Fast layers failed: %s", error)
        return 0.0
