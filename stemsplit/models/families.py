"""The families of networks that there are: how each is built, and what its checkpoints call things.

A family is known by the class that its published checkpoints name, or, where they name none, by
the name under which `ModelSpec` has it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor, nn

from stemsplit.models.blocks.batch_norm import fold_batch_norms
from stemsplit.models.cac_tdc.adapter import adapt_cac_tdc
from stemsplit.models.cac_tdc.config import read_cac_tdc_config
from stemsplit.models.cac_tdc.model import CacTdc
from stemsplit.models.conv_tasnet.config import ConvTasNetConfig
from stemsplit.models.conv_tasnet.model import ConvTasNet
from stemsplit.models.demucs.adapter import adapt_names
from stemsplit.models.demucs.config import DemucsConfig
from stemsplit.models.demucs.model import Demucs
from stemsplit.models.demucs.second_generation import DemucsV2, DemucsV2Config
from stemsplit.models.hdemucs.config import read_hdemucs_config
from stemsplit.models.hdemucs.model import HDemucs
from stemsplit.models.htdemucs.config import HTDemucsConfig
from stemsplit.models.htdemucs.model import HTDemucs
from stemsplit.models.mdx23c.config import read_mdx23c_config
from stemsplit.models.mdx23c.model import Mdx23c
from stemsplit.models.mdxnet.adapter import adapt_mdxnet
from stemsplit.models.mdxnet.config import read_mdxnet_config
from stemsplit.models.mdxnet.model import MdxNet
from stemsplit.models.openunmix.adapter import merge_networks
from stemsplit.models.openunmix.config import read_openunmix_config
from stemsplit.models.openunmix.model import OpenUnmix
from stemsplit.models.roformer.config import (
    read_bs_roformer_config,
    read_melband_roformer_config,
)
from stemsplit.models.roformer.model import BSRoFormer, MelBandRoFormer
from stemsplit.models.scnet.config import read_scnet_config
from stemsplit.models.scnet.model import SCNet, has_masks

Tensors = Mapping[str, Tensor]


class Arguments(NamedTuple):
    """What a checkpoint says about its network, beside the tensors themselves."""

    args: Sequence[object]
    kwargs: Mapping[str, object]
    tensor_names: Collection[str]


def _as_they_are(tensors: Tensors, network: nn.Module) -> dict[str, Tensor]:  # noqa: ARG001
    return dict(tensors)


class Family(NamedTuple):
    """How a network is built, and how its tensors are found in a checkpoint's."""

    build: Callable[[Arguments], nn.Module]
    adapt: Callable[[Tensors, nn.Module], dict[str, Tensor]] = _as_they_are
    """The checkpoint's tensors under the names of the network, which has no weights yet."""


def _scnet(arguments: Arguments) -> nn.Module:
    masked = has_masks(arguments.tensor_names)
    return SCNet(read_scnet_config(arguments.kwargs, masked=masked))


def _adapt_openunmix(tensors: Tensors, network: nn.Module) -> dict[str, Tensor]:
    """Tensors are called `{stem}.{name in the stem's file}`."""
    assert isinstance(network, OpenUnmix)
    files = {
        stem: {
            name.removeprefix(f"{stem}."): tensor
            for name, tensor in tensors.items()
            if name.startswith(f"{stem}.")
        }
        for stem in network.spec.stems
    }
    return merge_networks(
        {stem: file for stem, file in files.items() if file}, stems=network.spec.stems
    )


def _names(network: nn.Module) -> Collection[str]:
    return network.state_dict().keys()


FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "demucs.htdemucs.HTDemucs": Family(
            lambda given: HTDemucs(HTDemucsConfig.from_arguments(given.args, given.kwargs))
        ),
        "demucs.hdemucs.HDemucs": Family(
            lambda given: HDemucs(read_hdemucs_config(given.args, given.kwargs))
        ),
        "demucs.demucs.Demucs": Family(
            lambda given: Demucs(DemucsConfig.from_arguments(given.args, given.kwargs)),
            lambda tensors, network: adapt_names(tensors, _names(network)),
        ),
        "demucs.model.Demucs": Family(
            lambda given: DemucsV2(DemucsV2Config.from_arguments(given.args, given.kwargs))
        ),
        "demucs.tasnet.ConvTasNet": Family(
            lambda given: ConvTasNet(ConvTasNetConfig.from_arguments(given.args, given.kwargs))
        ),
        "bs_roformer": Family(lambda given: BSRoFormer(read_bs_roformer_config(given.kwargs))),
        "mel_band_roformer": Family(
            lambda given: MelBandRoFormer(read_melband_roformer_config(given.kwargs))
        ),
        "scnet": Family(_scnet),
        "mdx23c": Family(
            lambda given: Mdx23c(read_mdx23c_config(given.kwargs)),
            lambda tensors, network: fold_batch_norms(
                tensors, _names(network), transposed_prefix="none"
            ),
        ),
        "mdxnet": Family(
            lambda given: MdxNet(read_mdxnet_config(given.kwargs)),
            lambda tensors, network: adapt_mdxnet(tensors, _names(network)),
        ),
        "cac_tdc": Family(
            lambda given: CacTdc(read_cac_tdc_config(given.kwargs)),
            lambda tensors, network: adapt_cac_tdc(tensors, _names(network)),
        ),
        "openunmix": Family(
            lambda given: OpenUnmix(read_openunmix_config(given.kwargs)), _adapt_openunmix
        ),
    }
)
