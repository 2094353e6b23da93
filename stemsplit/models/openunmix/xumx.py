"""X-UMX as asteroid publishes it: one package with all networks and their arguments.

The rule is that of asteroid's evaluation: the filter hears a whole track at once, and keeps its
divisions finite by next to no noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stemsplit.dsp.wiener import WienerOptions
from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.declared import arg, reader_of
from stemsplit.models.openunmix.config import NetworkConfig, OpenUnmixConfig, SpectrogramConfig
from stemsplit.models.openunmix.model import OpenUnmix
from stemsplit.models.openunmix.xumx_tensors import renamed

_LAYERS = {
    "fc1": "layer_enc.{stem}.enc.0",
    "bn1": "layer_enc.{stem}.enc.1",
    "lstm": "layer_lstm.{stem}",
    "fc2": "layer_dec.{stem}.dec.0",
    "bn2": "layer_dec.{stem}.dec.1",
    "fc3": "layer_dec.{stem}.dec.3",
    "bn3": "layer_dec.{stem}.dec.4",
}
"""Of a stem's network, by our names; what is not in a layer is in `mean_scale`."""
_UNUSED = frozenset({"encoder.0.window", "decoder.window"})
_TRAINING_COUNTER = "num_batches_tracked"


@dataclass(frozen=True, kw_only=True, slots=True)
class _XumxArguments:
    stems: tuple[str, ...] = arg("sources")
    n_fft: int = arg("in_chan", 4096, low=64, high=1 << 16)
    window_samples: int = arg(
        "window_length", 4096, low=lambda c: c["n_fft"], high=lambda c: c["n_fft"]
    )
    hop_length: int = arg(
        "n_hop", 1024, low=lambda c: max(1, c["n_fft"] // 64), high=lambda c: c["n_fft"] // 2
    )
    hidden_size: int = arg("hidden_size", 512, low=2, high=8192)
    num_channels: int = arg("nb_channels", 2, low=1, high=2)
    rate: float = arg("sample_rate", 44100, low=1000, high=768_000)
    num_layers: int = arg("nb_layers", 3, low=1, high=16)
    num_heard_bins: int | None = arg("max_bin", low=1, high=lambda c: c["n_fft"] // 2 + 1)
    bidirectional: bool = arg("bidirectional", True)


_read = reader_of(
    _XumxArguments,
    "X-UMX",
    fixed={"spec_power": 1},
    # What the network was begun with, and whether training heard signals.
    unread=("input_mean", "input_scale", "return_time_signals"),
)


def read_xumx_config(kwargs: Mapping[str, object]) -> OpenUnmixConfig:
    """The networks and the filter, from a package's arguments.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large.
    """
    given = _read(kwargs)
    if len(given.stems) < 2:
        raise CheckpointError(
            "The X-UMX checkpoint has one stem, so there is nothing to bridge.",
            hint="Use another checkpoint, or the software that this one was made with.",
        )
    if given.bidirectional and given.hidden_size % 2:
        raise CheckpointError(
            f"The X-UMX checkpoint has hidden_size={given.hidden_size}, which its two directions "
            "cannot share.",
            hint="The file is damaged or is not a checkpoint of this network; fetch it again.",
        )
    spectrogram = SpectrogramConfig(
        rate=given.rate,
        n_fft=given.n_fft,
        hop_length=given.hop_length,
        num_channels=given.num_channels,
    )
    network = NetworkConfig(
        num_heard_bins=given.num_heard_bins or spectrogram.num_bins,
        hidden_size=given.hidden_size,
        num_layers=given.num_layers,
        bidirectional=given.bidirectional,
    )
    return OpenUnmixConfig(
        stems=given.stems,
        networks=(network,) * len(given.stems),
        spectrogram=spectrogram,
        filter=WienerOptions(window_frames=None, epsilon=torch.finfo(torch.float64).eps),
        num_channels=given.num_channels,
        bridged=True,
    )


def adapt_xumx(tensors: Mapping[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """The tensors of either layout under our names; those that we do not know keep theirs."""
    assert isinstance(network, OpenUnmix)
    ours = {
        _published_name(stem, name): f"networks.{index}.{name}"
        for index, (stem, each) in enumerate(zip(network.spec.stems, network.networks, strict=True))
        for name in each.state_dict()
    }
    return {
        ours.get(name, name): tensor
        for name, tensor in renamed(tensors, network.spec.stems).items()
        if name not in _UNUSED and not name.endswith(_TRAINING_COUNTER)
    }


def _published_name(stem: str, name: str) -> str:
    layer, _, parameter = name.rpartition(".")
    if layer:
        return f"{_LAYERS[layer].format(stem=stem)}.{parameter}"
    return f"mean_scale.{parameter}_{stem}"
