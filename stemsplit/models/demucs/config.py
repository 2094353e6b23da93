"""The constructor arguments of a published Demucs checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stemsplit.models.blocks.arguments import Arguments

# In the order of the published class, since checkpoints may give arguments by position.
# Those that matter only to training are here to be known, and are not read.
_SIGNATURE = (
    "sources audio_channels channels growth depth rewrite lstm_layers kernel_size stride context "
    "gelu glu norm_starts norm_groups dconv_mode dconv_depth dconv_comp dconv_attn dconv_lstm "
    "dconv_init normalize resample rescale samplerate segment"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class DemucsConfig:
    """The time-domain U-Net."""

    stems: tuple[str, ...]
    sample_rate: int
    num_channels: int
    chunk_samples: int
    channels: int
    growth: float
    depth: int
    kernel_size: int
    stride: int
    rewrite: bool
    context: int
    lstm_layers: int
    gelu: bool
    glu: bool
    first_norm_layer: int
    norm_groups: int
    dconv_in_encoder: bool
    dconv_in_decoder: bool
    dconv_depth: int
    dconv_compress: float
    first_attention_layer: int
    first_lstm_layer: int
    normalize: bool
    """Each chunk is brought to zero mean and unit deviation, and back."""
    resample: bool
    """The layers work at twice the sample rate."""

    @classmethod
    def from_arguments(cls, args: Sequence[object], kwargs: Mapping[str, object]) -> DemucsConfig:
        """What the network needs of a checkpoint's `args` and `kwargs`.

        Raises:
            CheckpointError: an argument is invalid.
        """
        arguments = Arguments("Demucs", _SIGNATURE.split(), args, kwargs)
        sample_rate = arguments.integer("samplerate", 44100, low=1000, high=768_000)
        dconv_mode = arguments.integer("dconv_mode", 1, low=0, high=3)
        return cls(
            stems=arguments.stems(),
            sample_rate=sample_rate,
            num_channels=arguments.integer("audio_channels", 2, low=1, high=64),
            chunk_samples=arguments.chunk_samples(40, sample_rate=sample_rate),
            channels=arguments.integer("channels", 64, low=1, high=4096),
            growth=arguments.number("growth", 2.0, low=1, high=16),
            depth=arguments.integer("depth", 6, low=1, high=16),
            kernel_size=arguments.integer("kernel_size", 8, low=1, high=128),
            stride=arguments.integer("stride", 4, low=1, high=64),
            rewrite=arguments.flag("rewrite", True),
            context=arguments.integer("context", 1, low=0, high=16),
            lstm_layers=arguments.integer("lstm_layers", 0, low=0, high=16),
            gelu=arguments.flag("gelu", True),
            glu=arguments.flag("glu", True),
            first_norm_layer=arguments.integer("norm_starts", 4, low=0, high=1_000_000),
            norm_groups=arguments.integer("norm_groups", 4, low=1, high=4096),
            dconv_in_encoder=bool(dconv_mode & 1),
            dconv_in_decoder=bool(dconv_mode & 2),
            dconv_depth=arguments.integer("dconv_depth", 2, low=-8, high=8),
            dconv_compress=arguments.number("dconv_comp", 4, low=1, high=4096),
            first_attention_layer=arguments.integer("dconv_attn", 4, low=0, high=1_000_000),
            first_lstm_layer=arguments.integer("dconv_lstm", 4, low=0, high=1_000_000),
            normalize=arguments.flag("normalize", True),
            resample=arguments.flag("resample", True),
        )
