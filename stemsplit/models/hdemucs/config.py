"""The constructor arguments of a published HDemucs checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stemsplit.models.blocks.arguments import Arguments
from stemsplit.models.blocks.hybrid_config import UNetConfig, read_unet_config

# In the order of the published class, since checkpoints may give arguments by position.
# Those that matter only to training are here to be known, and are not read.
_SIGNATURE = (
    "sources audio_channels channels channels_time growth nfft wiener_iters end_iters "
    "wiener_residual cac depth rewrite hybrid hybrid_old multi_freqs multi_freqs_depth freq_emb "
    "emb_scale emb_smooth kernel_size time_stride stride context context_enc norm_starts "
    "norm_groups dconv_mode dconv_depth dconv_comp dconv_attn dconv_lstm dconv_init rescale "
    "samplerate segment"
)


def read_hdemucs_config(args: Sequence[object], kwargs: Mapping[str, object]) -> UNetConfig:
    """What the network needs of a checkpoint's `args` and `kwargs`.

    Raises:
        CheckpointError: an argument is invalid, or asks for a variant that is not implemented.
    """
    arguments = Arguments("HDemucs", _SIGNATURE.split(), args, kwargs)
    arguments.require("hybrid", True, True)
    return read_unet_config(
        arguments, depth=6, dconv_compress=4, segment_seconds=40, has_sequence_layers=True
    )
