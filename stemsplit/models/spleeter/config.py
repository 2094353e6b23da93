"""What a Spleeter configuration (`base_config.json`) says about its networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

from torch import Tensor

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS, Arguments
from stemsplit.models.blocks.declared import arg, declared_reader, names_of

Activation = Literal["ReLU", "LeakyReLU", "ELU"]

_FAMILY = "Spleeter"
_SHARED, _ALONE = "unet.softmax_unet", "unet.unet"
_WIDTHS = (16, 32, 64, 128, 256, 512)
_MAX_BLOCK_SAMPLES = 1 << 24
_KERNEL = re.compile(r"conv2d(?:_\d{1,3})?/kernel")
_RELEASED_STEMS = {
    2: ("vocals", "accompaniment"),
    4: ("vocals", "drums", "bass", "other"),
    5: ("vocals", "piano", "drums", "bass", "other"),
}


def released_arguments(tensors: Mapping[str, Tensor], file_name: str) -> dict[str, object] | None:  # noqa: ARG001
    """The configuration of a released checkpoint of TensorFlow; None for any other tensors.

    Those of 2, 4 and 5 stems differ in more than that.
    """
    num_stems, rest = divmod(len(list(filter(_KERNEL.fullmatch, tensors))), len(_WIDTHS) + 1)
    if rest or num_stems not in _RELEASED_STEMS:
        return None
    elu = {"conv_activation": "ELU", "deconv_activation": "ELU"}
    return {
        "instrument_list": list(_RELEASED_STEMS[num_stems]),
        "model": {
            "type": _SHARED if num_stems == 5 else _ALONE,
            "params": {} if num_stems == 2 else elu,
        },
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class LayersConfig:
    """The networks' layers, in the configuration's section `model.params`."""

    widths: tuple[int, ...] = arg("conv_n_filters", _WIDTHS, low=1, high=MAX_LAYER_CHANNELS // 2)
    """Channels of each level."""
    down_activation: Activation = arg("conv_activation", "LeakyReLU")
    up_activation: Activation = arg("deconv_activation", "ReLU")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpleeterConfig(LayersConfig):
    """The networks, which are alike, one for each stem in order, and what they hear."""

    stems: tuple[str, ...] = arg("instrument_list")
    sample_rate: int = arg("sample_rate", 44100, low=1000, high=768_000)
    num_channels: int = arg("n_channels", 2, low=1, high=2)
    n_fft: int = arg("frame_length", 4096, low=8, high=1 << 16)
    hop_length: int = arg("frame_step", 1024, low=1, high=lambda c: c["n_fft"] // 3)
    num_frames: int = arg("T", 512, low=2, high=1 << 14)
    """In a block: what the networks hear at a time."""
    num_bins: int = arg("F", 1024, low=2, high=lambda c: c["n_fft"] // 2)
    """They hear these lowest ones."""
    mask_extension: Literal["zeros", "average"] = arg("mask_extension", "zeros")
    """The bins above are silent, or shared out as those below are on average."""
    softmax: bool
    """Whether the networks share each bin out among them; else each says how much is its own."""


_read_layers = declared_reader(LayersConfig)
_read_fields = declared_reader(SpleeterConfig)


def read_spleeter_config(settings: Mapping[str, object]) -> SpleeterConfig:
    """The networks that a configuration describes; what is about training is not looked at.

    Raises:
        CheckpointError: a value is missing or invalid, or asks for what is not implemented.
        ValueError: the values do not go together.
    """
    model = _section(settings, "model")
    params = _section(model, "params")
    layers = Arguments.chosen(_FAMILY, names_of(LayersConfig), params)
    kind = Arguments.chosen(_FAMILY, ["type"], model)
    own_names = names_of(SpleeterConfig, besides=LayersConfig)
    arguments = Arguments.chosen(_FAMILY, [*own_names, "separation_exponent"], settings)
    arguments.require("separation_exponent", 2, 2)
    config = _read_fields(
        arguments,
        **asdict(_read_layers(layers)),
        softmax=kind.choice("type", _ALONE, (_ALONE, _SHARED)) == _SHARED,
    )
    _check(config)
    return config


def _section(settings: Mapping[str, object], name: str) -> Mapping[str, object]:
    section = settings.get(name)
    return section if isinstance(section, Mapping) else {}


def _check(config: SpleeterConfig) -> None:
    cut = 1 << len(config.widths)
    if config.num_frames % cut or config.num_bins % cut:
        raise ValueError(
            f"{config.num_frames} frames of {config.num_bins} bins cannot be halved "
            f"{len(config.widths)} times"
        )
    if config.n_fft % config.hop_length:  # else the windows do not add up to the same everywhere
        raise ValueError(f"{config.n_fft} samples are no multiple of {config.hop_length}")
    if config.num_frames * config.hop_length > _MAX_BLOCK_SAMPLES:
        raise ValueError(f"{config.num_frames} frames are more than can be heard at a time")
