"""The configuration files that lie beside published RoFormer checkpoints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stemsplit.errors import CheckpointError
from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS, Arguments
from stemsplit.models.blocks.run_settings import RunSettings, model_arguments, read_run_settings
from stemsplit.models.roformer.bands import Bands, adjacent_bands, mel_bands
from stemsplit.quoting import listed, reason

# The paper's 62 bands of together 1025 bins.
_DEFAULT_WIDTHS = (*[2] * 24, *[4] * 12, *[12] * 8, *[24] * 8, *[48] * 8, 128, 129)

# What is not read below changes nothing here: it matters to training only, chooses between ways to
# the same result (flash_attn, sage_attention), is what stemsplit always does
# (match_input_audio_length), or cancels out as bands are brought to unit power (stft_normalized).
_COMMON = (
    "dim depth stereo num_stems time_transformer_depth freq_transformer_depth "
    "linear_transformer_depth dim_head heads attn_dropout ff_dropout flash_attn sage_attention "
    "dim_freqs_in stft_n_fft stft_hop_length stft_win_length stft_normalized stft_window_fn "
    "zero_dc mask_estimator_depth multi_stft_resolution_loss_weight "
    "multi_stft_resolutions_window_sizes multi_stft_hop_size multi_stft_normalized "
    "multi_stft_window_fn match_input_audio_length mlp_expansion_factor use_torch_checkpoint "
    "skip_connection use_pope use_shared_bias"
)
_BS_SIGNATURE = f"{_COMMON} freqs_per_bands".split()
_MEL_SIGNATURE = f"{_COMMON} num_bands sample_rate".split()

_MAX_N_FFT = 65536

_MAX_MASK_BANDS = 16384
"""Each band of each stem has a network of its own; this many take seconds to build."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RoFormerConfig:
    """A transformer over bands of a spectrogram, and how it wants to be run."""

    run: RunSettings
    num_channels: int
    n_fft: int
    hop_length: int
    bands: Bands
    zero_dc: bool
    """Estimates are without the lowest bin. Off unless the file says otherwise: the published
    networks were trained without, although the software that they come from now defaults to it."""
    dim: int
    depth: int
    time_depth: int
    band_depth: int
    num_heads: int
    head_dim: int
    norm_each: bool
    """Each transformer normalises its output, instead of the last one only."""
    skips: bool
    mask_hidden: tuple[int, ...]
    """Widths of the hidden layers between features and masks."""


def read_bs_roformer_config(settings: Mapping[str, object]) -> RoFormerConfig:
    """What a Band-Split RoFormer needs of a configuration file.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large, or asks for a variant that
            is not implemented.
    """
    family = "BS-RoFormer"
    run = read_run_settings(family, settings)
    arguments = model_arguments(family, settings, _BS_SIGNATURE)
    widths = arguments.integers("freqs_per_bands", _DEFAULT_WIDTHS, low=1, high=_MAX_N_FFT)
    num_layers = arguments.integer("mask_estimator_depth", 2, low=1, high=8)
    with _contradictions_of(family):
        bands = adjacent_bands(widths)
        return _config(arguments, run, bands, num_hidden=num_layers - 1, norm_each=False)


def read_melband_roformer_config(settings: Mapping[str, object]) -> RoFormerConfig:
    """What a Mel-Band RoFormer needs of a configuration file.

    Its published class counts the layers of a mask estimator in another way than the Band-Split
    one: `mask_estimator_depth` is the number of hidden layers here, and one more than that there.

    Raises:
        CheckpointError: a value is missing, invalid or absurdly large, or asks for a variant that
            is not implemented.
    """
    family = "Mel-Band RoFormer"
    run = read_run_settings(family, settings)
    arguments = model_arguments(family, settings, _MEL_SIGNATURE)
    num_bands = arguments.integer("num_bands", 60, low=2, high=1024)
    sample_rate = arguments.integer("sample_rate", 44100, low=1000, high=768_000)
    num_hidden = arguments.integer("mask_estimator_depth", 1, low=1, high=8)
    with _contradictions_of(family):
        bands = mel_bands(num_bands, n_fft=_n_fft(arguments), sample_rate=sample_rate)
        return _config(arguments, run, bands, num_hidden=num_hidden, norm_each=True)


def _n_fft(arguments: Arguments) -> int:
    return arguments.integer("stft_n_fft", 2048, low=16, high=_MAX_N_FFT)


def _config(
    arguments: Arguments, run: RunSettings, bands: Bands, *, num_hidden: int, norm_each: bool
) -> RoFormerConfig:
    n_fft = _n_fft(arguments)
    for name, default, supported in (
        ("linear_transformer_depth", 0, 0),
        ("use_pope", False, False),
        ("use_shared_bias", False, False),
        ("stft_window_fn", None, None),
        ("stft_win_length", 2048, n_fft),
    ):
        arguments.require(name, default, supported)
    dim = arguments.integer("dim", 0, low=1, high=4096)
    hidden_width = dim * arguments.integer("mlp_expansion_factor", 4, low=1, high=64)
    config = RoFormerConfig(
        run=run,
        num_channels=2 if arguments.flag("stereo", False) else 1,
        n_fft=n_fft,
        hop_length=arguments.integer("stft_hop_length", 512, low=1, high=n_fft // 2),
        bands=bands,
        zero_dc=arguments.flag("zero_dc", False),
        dim=dim,
        depth=arguments.integer("depth", 0, low=1, high=64),
        time_depth=arguments.integer("time_transformer_depth", 2, low=1, high=8),
        band_depth=arguments.integer("freq_transformer_depth", 2, low=1, high=8),
        num_heads=arguments.integer("heads", 8, low=1, high=256),
        head_dim=arguments.integer("dim_head", 64, low=2, high=1024),
        norm_each=norm_each,
        skips=arguments.flag("skip_connection", False),
        mask_hidden=(hidden_width,) * num_hidden,
    )
    _check(config, num_stems=arguments.integer("num_stems", 1, low=1, high=64))
    return config


def _check(config: RoFormerConfig, *, num_stems: int) -> None:
    num_bins = config.n_fft // 2 + 1
    widest = max(config.num_heads * config.head_dim, *config.mask_hidden, 4 * config.dim)
    if config.n_fft % 2 or config.head_dim % 2:
        raise ValueError("the FFT and the attention heads need even sizes")
    if config.bands[-1].stop != num_bins:
        raise ValueError(f"the bands have {config.bands[-1].stop} bins, the spectrogram {num_bins}")
    if num_stems != len(config.run.stems):
        raise ValueError(f"it makes {num_stems} stems, called {listed(config.run.stems)}")
    if widest > MAX_LAYER_CHANNELS:
        raise ValueError(f"a layer would have {widest} channels, more than {MAX_LAYER_CHANNELS}")
    if num_stems * len(config.bands) > _MAX_MASK_BANDS:
        raise ValueError(f"{num_stems} stems of {len(config.bands)} bands")


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
