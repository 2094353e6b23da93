"""What becomes of a chunk that is too large for a device."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import MutableMapping
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from stemsplit.device.call import Call
from stemsplit.models.spec import Model

_log = logging.getLogger(__name__)


class CpuFallback:
    """Calls the networks of a device on the CPU, with copies that are made once they are needed.

    A chunk takes far longer there, but the song is finished, and the device may have room again for
    the next chunk.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._copies: MutableMapping[Model, Model] = WeakKeyDictionary()

    def __call__(self, call: Call, mixture: Tensor) -> Tensor:
        """The wanted estimates [B, S, C, T], float32, for a mixture [B, C, T] on the CPU."""
        network = self._copies.get(call.network)
        if network is None:
            _log.warning(
                "The memory of %s is too small for a single chunk: such chunks are computed on the "
                "CPU. `segment=4`, say, makes them shorter.",
                self._device,
            )
            network = self._copies[call.network] = _copy_on_cpu(call.network)
        there = dataclasses.replace(call, network=network, dtype=torch.float32)
        return torch.cat([there(chunk) for chunk in torch.split(mixture, 1)])


def _copy_on_cpu(network: Model) -> Model:
    """A copy that never needs room on the device, as `deepcopy` and then `cpu()` would."""
    if not isinstance(network, nn.Module):
        return network
    there: dict[int, Tensor] = {id(buffer): buffer.cpu() for buffer in network.buffers()}
    for weight in network.parameters():
        there[id(weight)] = nn.Parameter(weight.data.cpu(), requires_grad=False)
    return copy.deepcopy(network, there)  # what is in there already is not copied
