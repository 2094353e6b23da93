"""The arguments that training was started with, which checkpoints of Meta-TasNet have in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS, Arguments
from stemsplit.models.blocks.declared import arg, declared_reader, names_of

MARKS = ("E_1", "E_2", "stages_num")
"""Arguments that no other family's training has."""
_FAMILY = "Meta-TasNet"
# Others do not run in the authors' code, but for `independent_params`, of which nothing is
# published.
_FIXED = {"independent_params": False, "residual_bias": False, "kernel": 3}


@dataclass(frozen=True, kw_only=True, slots=True)
class MetaTasNetConfig:
    """The stages, each at twice the rate of the one before, and the networks in them.

    Lengths in samples, `num_filters` among the features: those of the first stage, the next ones
    have twice as many each.
    """

    num_stages: int = arg("stages_num", 3, low=1, high=4)
    base_rate: int = arg("sampling_rate", 8000, low=8000, high=48000)
    num_filters: int = arg("N", 440, low=8, high=4096)
    """Features of the learned transform, of which masks are made."""
    window_samples: int = arg("L", 20, low=1, high=4096)
    """Of the shortest windows of the transform; the next ones are twice as long each."""
    hop_length: int = arg("W", 20, low=1, high=4096)
    num_window_lengths: int = arg("filters", 3, low=1, high=8)
    num_mels: int = arg("num_mels", 256, low=1, high=4096)
    """Features of a spectrogram, which the transform has beside its own."""
    bottleneck_channels: int = arg("B", 160, low=8, high=4096)
    block_channels: int = arg("H", 160, low=8, high=4096)
    num_blocks: int = arg("layers", 6, low=1, high=16)
    """Blocks in a repeat, each with twice the dilation of the one before."""
    num_repeats: int = arg("stack", 3, low=1, high=16)
    stem_features: int = arg("E_1", 8, low=1, high=1024)
    """What is known of a stem, of which its layers are made."""
    layer_features: int = arg("E_2", 5, low=1, high=1024)
    """What a layer is made of."""

    @property
    def sample_rate(self) -> int:
        return self.base_rate << (self.num_stages - 1)

    @property
    def samples_per_step(self) -> int:
        """Of the last stage, in one step of all stages."""
        return self.hop_length << (self.num_stages - 1)


_read_fields = declared_reader(MetaTasNetConfig)


def read_metatasnet_config(settings: Mapping[str, object]) -> MetaTasNetConfig:
    """The network; what is about training is not looked at.

    Raises:
        CheckpointError: a value is invalid, or asks for what is not implemented.
        ValueError: the values do not go together.
    """
    arguments = Arguments.chosen(_FAMILY, [*names_of(MetaTasNetConfig), *_FIXED], settings)
    arguments.require_all(_FIXED)
    config = _read_fields(arguments)
    _check(config)
    return config


def _check(config: MetaTasNetConfig) -> None:
    widest = (config.num_filters * 3 << config.num_stages) // 4
    if widest > MAX_LAYER_CHANNELS:
        raise ValueError(f"a layer would have {widest} channels")
    for channels in (config.num_filters, config.bottleneck_channels, config.block_channels):
        if channels % 8:
            raise ValueError(f"{channels} channels cannot be normalised in 8 groups")
    for index in range(config.num_window_lengths):
        window = config.window_samples << index
        if window < config.hop_length or (window - config.hop_length) % 2:
            raise ValueError(f"windows of {window} samples do not lie around their hops")
    if config.num_filters >> config.num_window_lengths < 1:
        raise ValueError(f"{config.num_filters} features are too few to be halved so often")
