"""The configuration files that lie beside published RoFormer checkpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS, Arguments
from stemsplit.models.blocks.declared import arg, declared_reader, names_of
from stemsplit.models.blocks.run_settings import RunSettings, model_arguments, read_run_settings
from stemsplit.models.roformer.bands import Bands, adjacent_bands, mel_bands
from stemsplit.quoting import listed, reason

# The paper's 62 bands of together 1025 bins.
_DEFAULT_WIDTHS = (*[2] * 24, *[4] * 12, *[12] * 8, *[24] * 8, *[48] * 8, 128, 129)

# Those that matter to training only, choose between ways to the same result (flash_attn,
# sage_attention), are what stemsplit always does (match_input_audio_length), or cancel out as bands
# are brought to unit power (stft_normalized).
_OF_NO_EFFECT = (
    "attn_dropout ff_dropout flash_attn sage_attention dim_freqs_in stft_normalized "
    "multi_stft_resolution_loss_weight multi_stft_resolutions_window_sizes multi_stft_hop_size "
    "multi_stft_normalized multi_stft_window_fn match_input_audio_length use_torch_checkpoint"
)
_FIXED = {
    "linear_transformer_depth": 0,
    "use_shared_bias": False,
    "stft_window_fn": None,
}

_MAX_N_FFT = 65536

_MAX_MASK_BANDS = 16384
"""Each band of each stem has a network of its own; this many take seconds to build."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoFormerConfig:
    """A transformer over bands of a spectrogram, and how it wants to be run."""

    run: RunSettings
    bands: Bands
    norm_each: bool
    """Each transformer normalises its output, instead of the last one only."""
    num_mask_layers: int
    """Hidden layers between features and masks."""
    hyperace: bool = False
    """A U-Net adds to the masks; see `hyperace.py`."""
    num_stems: int = arg("num_stems", 1, low=1, high=64)
    is_stereo: bool = arg("stereo", False)
    n_fft: int = arg("stft_n_fft", 2048, low=16, high=_MAX_N_FFT)
    hop_length: int = arg("stft_hop_length", 512, low=1, high=lambda c: c["n_fft"] // 2)
    zero_dc: bool = arg("zero_dc", False)
    """Estimates are without the lowest bin. Off unless the file says otherwise: the published
    networks were trained without, although the software that they come from now defaults to it."""
    dim: int = arg("dim", low=1, high=4096)
    depth: int = arg("depth", low=1, high=64)
    time_depth: int = arg("time_transformer_depth", 2, low=1, high=8)
    band_depth: int = arg("freq_transformer_depth", 2, low=1, high=8)
    num_heads: int = arg("heads", 8, low=1, high=256)
    head_dim: int = arg("dim_head", 64, low=2, high=1024)
    skips: bool = arg("skip_connection", False)
    polar: bool = arg("use_pope", False)
    """Positions are polar: a "PolarFormer"."""
    mask_expansion: int = arg("mlp_expansion_factor", 4, low=1, high=64)

    @property
    def num_channels(self) -> int:
        return 2 if self.is_stereo else 1

    @property
    def mask_hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers between features and masks."""
        return (self.dim * self.mask_expansion,) * self.num_mask_layers


@dataclass(frozen=True, kw_only=True, slots=True)
class _AdjacentBands:
    """What only a Band-Split RoFormer has."""

    widths: tuple[int, ...] = arg("freqs_per_bands", _DEFAULT_WIDTHS, low=1, high=_MAX_N_FFT)
    num_mask_layers: int = arg("mask_estimator_depth", 2, low=1, high=8)
    """With the last one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _MelBands:
    """What only a Mel-Band RoFormer has. Its published class counts hidden layers alone."""

    num_bands: int = arg("num_bands", 60, low=2, high=1024)
    sample_rate: int = arg("sample_rate", 44100, low=1000, high=768_000)
    num_mask_layers: int = arg("mask_estimator_depth", 1, low=1, high=8)
    n_fft: int = arg("stft_n_fft", 2048, low=16, high=_MAX_N_FFT)


_read_adjacent = declared_reader(_AdjacentBands)
_read_mel = declared_reader(_MelBands)
_read_fields = declared_reader(RoFormerConfig)


def read_bs_roformer_config(
    settings: Mapping[str, object], *, hyperace: bool = False
) -> RoFormerConfig:
    """What a Band-Split RoFormer needs of a configuration file, which does not say if it is one
    with HyperACE.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large, or asks for a variant that
            is not implemented.
    """
    family = "BS-RoFormer"
    run = read_run_settings(family, settings)
    arguments = _arguments(family, settings, _AdjacentBands)
    own = _read_adjacent(arguments)
    with _contradictions_of(family):
        bands = adjacent_bands(own.widths)
        return _config(
            arguments,
            run=run,
            bands=bands,
            norm_each=False,
            num_mask_layers=own.num_mask_layers - 1,
            hyperace=hyperace,
        )


def read_melband_roformer_config(settings: Mapping[str, object]) -> RoFormerConfig:
    """What a Mel-Band RoFormer needs of a configuration file.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large, or asks for a variant that
            is not implemented.
    """
    family = "Mel-Band RoFormer"
    run = read_run_settings(family, settings)
    arguments = _arguments(family, settings, _MelBands)
    arguments.require_all({"use_pope": False})  # nothing was found to compare with
    own = _read_mel(arguments)
    with _contradictions_of(family):
        bands = mel_bands(own.num_bands, n_fft=own.n_fft, sample_rate=own.sample_rate)
        return _config(
            arguments, run=run, bands=bands, norm_each=True, num_mask_layers=own.num_mask_layers
        )


def _arguments(family: str, settings: Mapping[str, object], own: type) -> Arguments:
    known = [*names_of(RoFormerConfig), *names_of(own), *_FIXED, *_OF_NO_EFFECT.split()]
    return model_arguments(family, settings, [*known, "stft_win_length"])


def _config(arguments: Arguments, **given: object) -> RoFormerConfig:
    arguments.require_all(_FIXED)
    config = _read_fields(arguments, **given)
    arguments.require("stft_win_length", 2048, config.n_fft)
    _check(config)
    return config


def _check(config: RoFormerConfig) -> None:
    num_bins = config.n_fft // 2 + 1
    widest = max(config.num_heads * config.head_dim, *config.mask_hidden, 4 * config.dim)
    if config.n_fft % 2 or config.head_dim % 2:
        raise ValueError("the FFT and the attention heads need even sizes")
    if config.bands[-1].stop != num_bins:
        raise ValueError(f"the bands have {config.bands[-1].stop} bins, the spectrogram {num_bins}")
    if config.hyperace and not config.is_stereo:
        raise ValueError("the masks of HyperACE are for stereo, and it is mono")
    if config.num_stems != len(config.run.stems):
        raise ValueError(f"it makes {config.num_stems} stems, called {listed(config.run.stems)}")
    if widest > MAX_LAYER_CHANNELS:
        raise ValueError(f"a layer would have {widest} channels, more than {MAX_LAYER_CHANNELS}")
    if config.num_stems * len(config.bands) > _MAX_MASK_BANDS:
        raise ValueError(f"{config.num_stems} stems of {len(config.bands)} bands")


@contextlib.contextmanager
def _contradictions_of(family: str) -> Iterator[None]:
    """Values that are each possible, but not together, are the file's fault."""
    try:
        yield
    except ValueError as error:
        raise CheckpointError(
            f"No {family} can be built with this configuration: {reason(error)}.",
            hint="The file is damaged, or belongs to another checkpoint.",
        ) from error
