"""What a Spleeter configuration (`base_config.json`) says about its networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS, Arguments

Activation = Literal["ReLU", "LeakyReLU", "ELU"]

_KEYS = (
    *("sample_rate", "frame_length", "frame_step", "T", "F", "n_channels"),
    *("separation_exponent", "mask_extension", "instrument_list"),
)
_NETWORK_KEYS = ("conv_activation", "deconv_activation", "conv_n_filters")
_SHARED, _ALONE = "unet.softmax_unet", "unet.unet"
_WIDTHS = (16, 32, 64, 128, 256, 512)
_MAX_BLOCK_SAMPLES = 1 << 24


@dataclass(frozen=True, kw_only=True, slots=True)
class SpleeterConfig:
    """The networks, which are alike, one for each stem in order, and what they hear."""

    stems: tuple[str, ...]
    sample_rate: int
    num_channels: int
    n_fft: int
    hop_length: int
    num_frames: int
    """In a block: what the networks hear at a time."""
    num_bins: int
    """They hear these lowest ones."""
    extends: bool
    """Whether the bins above are shared out as those below are on average; else all stems are
    silent there."""
    softmax: bool
    """Whether the networks share each bin out among them; else each says how much is its own."""
    widths: tuple[int, ...]
    """Channels of each level."""
    down_activation: Activation
    up_activation: Activation


def read_spleeter_config(settings: Mapping[str, object]) -> SpleeterConfig:
    """The networks that a configuration describes; what is about training is not looked at.

    Raises:
        CheckpointError: a value is missing or invalid, or asks for what is not implemented.
        ValueError: the values do not go together.
    """
    arguments = _choose(settings, _KEYS)
    model = _section(settings, "model")
    network = _choose(_section(model, "params"), _NETWORK_KEYS)
    arguments.require("separation_exponent", 2, 2)
    n_fft = arguments.integer("frame_length", 4096, low=8, high=1 << 16)
    config = SpleeterConfig(
        stems=arguments.stems("instrument_list"),
        sample_rate=arguments.integer("sample_rate", 44100, low=1000, high=768_000),
        num_channels=arguments.integer("n_channels", 2, low=1, high=2),
        n_fft=n_fft,
        hop_length=arguments.integer("frame_step", 1024, low=1, high=n_fft // 3),
        num_frames=arguments.integer("T", 512, low=2, high=1 << 14),
        num_bins=arguments.integer("F", 1024, low=2, high=n_fft // 2),
        extends=arguments.choice("mask_extension", "zeros", ("zeros", "average")) == "average",
        softmax=_choose(model, ["type"]).choice("type", _ALONE, (_ALONE, _SHARED)) == _SHARED,
        widths=network.integers("conv_n_filters", _WIDTHS, low=1, high=MAX_LAYER_CHANNELS // 2),
        down_activation=_activation(network, "conv_activation", "LeakyReLU"),
        up_activation=_activation(network, "deconv_activation", "ReLU"),
    )
    _check(config)
    return config


def _choose(values: Mapping[str, object], names: Sequence[str]) -> Arguments:
    chosen = {name: values[name] for name in names if name in values}
    return Arguments("Spleeter", names, (), chosen)


def _section(settings: Mapping[str, object], name: str) -> Mapping[str, object]:
    section = settings.get(name)
    return section if isinstance(section, Mapping) else {}


def _activation(network: Arguments, name: str, default: Activation) -> Activation:
    return cast(Activation, network.choice(name, default, get_args(Activation)))


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
