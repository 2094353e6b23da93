"""The constructor arguments of a published HTDemucs checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from stemsplit.models.blocks.declared import arg, reader_of
from stemsplit.models.blocks.hybrid_config import HYBRID_FIXED, UNetConfig

# In the order of the published class, since checkpoints may give arguments by position.
# Those that matter only to training are here to be known, and are not read.
_SIGNATURE = (
    "sources audio_channels channels channels_time growth nfft wiener_iters end_iters "
    "wiener_residual cac depth rewrite multi_freqs multi_freqs_depth freq_emb emb_scale "
    "emb_smooth kernel_size time_stride stride context context_enc norm_starts norm_groups "
    "dconv_mode dconv_depth dconv_comp dconv_init bottom_channels t_layers t_emb t_hidden_scale "
    "t_heads t_dropout t_max_positions t_norm_in t_norm_in_group t_group_norm t_norm_first "
    "t_norm_out t_max_period t_weight_decay t_lr t_layer_scale t_gelu t_weight_pos_embed "
    "t_sin_random_shift t_cape_mean_normalize t_cape_augment t_cape_glob_loc_scale "
    "t_sparse_self_attn t_sparse_cross_attn t_mask_type t_mask_random_seed t_sparse_attn_window "
    "t_global_window t_sparsity t_auto_sparsity t_cross_first rescale samplerate segment "
    "use_train_segment"
)
_FIXED = {
    **HYBRID_FIXED,
    "t_emb": "sin",
    "t_norm_first": True,
    "t_group_norm": False,
    "t_sin_random_shift": 0,
    "t_sparse_self_attn": False,
    "t_sparse_cross_attn": False,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TransformerConfig:
    """The cross-domain transformer between encoders and decoders."""

    num_layers: int = arg("t_layers", 5, low=0, high=64)
    num_heads: int = arg("t_heads", 8, low=1, high=256)
    hidden_scale: float = arg("t_hidden_scale", 4.0, low=0.01, high=32)
    cross_first: bool = arg("t_cross_first", False)
    """Whether the even layers attend across the branches, not the odd ones."""
    norm_in: bool = arg("t_norm_in", True)
    norm_in_over_time: bool = arg("t_norm_in_group", False)
    """Without `norm_in`: normalise each item over all tokens at once."""
    norm_out: bool = arg("t_norm_out", True)
    layer_scale: bool = arg("t_layer_scale", True)
    gelu: bool = arg("t_gelu", True)
    max_period: float = arg("t_max_period", 10000.0, low=1.0, high=1e9)
    position_weight: float = arg("t_weight_pos_embed", 1.0, low=-1e6, high=1e6)


@dataclass(frozen=True, kw_only=True, slots=True)
class HTDemucsConfig:
    """The hybrid U-Net, and what lies at its bottom."""

    unet: UNetConfig
    transformer: TransformerConfig
    bottom_channels: int = arg("bottom_channels", 0, low=0, high=8192)
    """Width of the transformer; 0: that of the innermost layer."""
    use_train_segment: bool = arg("use_train_segment", True)
    """Always run on the length of the training segments."""


read_htdemucs_config = reader_of(HTDemucsConfig, "HTDemucs", order=_SIGNATURE, fixed=_FIXED)
