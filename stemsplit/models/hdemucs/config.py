"""The constructor arguments of a published HDemucs checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from stemsplit.models.blocks.declared import arg, reader_of, segment_arg
from stemsplit.models.blocks.hybrid_config import HYBRID_FIXED, UNetConfig

# In the order of the published class, since checkpoints may give arguments by position.
# Those that matter only to training are here to be known, and are not read.
_SIGNATURE = (
    "sources audio_channels channels channels_time growth nfft wiener_iters end_iters "
    "wiener_residual cac depth rewrite hybrid hybrid_old multi_freqs multi_freqs_depth freq_emb "
    "emb_scale emb_smooth kernel_size time_stride stride context context_enc norm_starts "
    "norm_groups dconv_mode dconv_depth dconv_comp dconv_attn dconv_lstm dconv_init rescale "
    "samplerate segment"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class HDemucsConfig(UNetConfig):
    """The hybrid U-Net, with LSTMs and attention in its residual branches."""

    chunk_samples: int = segment_arg(40)
    depth: int = arg("depth", 6, low=1, high=16)
    dconv_compress: float = arg("dconv_comp", 4, low=1, high=4096)
    first_attention_layer: int = arg("dconv_attn", 4, low=0, high=1_000_000)
    first_lstm_layer: int = arg("dconv_lstm", 4, low=0, high=1_000_000)
    zero_padded: bool = arg("hybrid_old", False)


read_hdemucs_config = reader_of(
    HDemucsConfig, "HDemucs", order=_SIGNATURE, fixed={"hybrid": True, **HYBRID_FIXED}
)
