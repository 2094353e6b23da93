"""The sizes of a DeepFilterNet3, under the names of its authors' `config.ini`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stemsplit.models.blocks.declared import arg, reader_of


def _largest_hop(before: Mapping[str, Any]) -> float:
    return float(before["n_fft"] // 2)


def _num_bins(before: Mapping[str, Any]) -> float:
    return float(before["n_fft"] // 2 + 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class DeepFilterNetConfig:
    """The network and what it hears; the defaults are those of the published one."""

    sample_rate: int = arg("sr", 48000, low=8000, high=192_000)
    n_fft: int = arg("fft_size", 960, low=16, high=1 << 14)
    hop_length: int = arg("hop_size", 480, low=8, high=_largest_hop)
    num_bands: int = arg("nb_erb", 32, low=4, high=256)
    """On the scale of equivalent rectangular bandwidths (ERB)."""
    least_band_bins: int = arg("min_nb_erb_freqs", 2, low=1, high=64)
    num_filtered: int = arg("nb_df", 96, low=2, high=_num_bins)
    """The lowest bins, which are filtered; those above have gains for bands."""
    filter_order: int = arg("df_order", 5, low=1, high=64)
    """Frames that make one, `look_ahead` later ones among them."""
    look_ahead: int = arg("df_lookahead", 2, low=0, high=32)
    """Frames that the network hears before it filters one."""
    band_look_ahead: int = arg("conv_lookahead", 2, low=0, high=32)
    """The same before it says what bands are worth; so far, as many."""
    mean_seconds: float = arg("norm_tau", 1.0, low=0.01, high=100)
    """How far back the means reach, of which features are differences."""
    num_channels: int = arg("conv_ch", 64, low=2, high=1024)
    memory_features: int = arg("emb_hidden_dim", 256, low=1, high=4096)
    filter_features: int = arg("df_hidden_dim", 256, low=1, high=4096)
    num_levels: int = arg("emb_num_layers", 3, low=2, high=16)
    """Recurrent ones: one in the encoder, the others in the decoder for bands."""
    num_filter_levels: int = arg("df_num_layers", 2, low=1, high=16)
    path_frames: int = arg("df_pathway_kernel_size_t", 5, low=1, high=63)
    """Frames that the direct path from the bins to their filters hears."""
    encoder_groups: int = arg("enc_linear_groups", 32, low=1, high=1024)
    linear_groups: int = arg("linear_groups", 16, low=1, high=1024)

    @property
    def embedding_features(self) -> int:
        return self.num_channels * (self.num_bands // 4)


FIXED = {
    "model": "deepfilternet3",
    "conv_kernel_inp": "3,3",
    "conv_kernel": "1,3",
    "convt_kernel": "1,3",
    "conv_dec_mode": "transposed",
    "emb_gru_skip": "none",
    "df_gru_skip": "groupedlinear",
    "dfop_method": "df",
    "df_n_iter": 1,
    "enc_concat": "False",
    "group_shuffle": "False",
    "mask_pf": "False",
}
"""What is implemented of the options that the authors tried."""

read_deepfilternet_config = reader_of(DeepFilterNetConfig, "DeepFilterNet", fixed=FIXED)
