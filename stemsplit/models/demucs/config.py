"""The constructor arguments of published Demucs checkpoints, second and third generation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from stemsplit.models.blocks.declared import arg, reader_of, segment_arg
from stemsplit.models.spec import MUSDB18_STEMS

# In the order of the published classes, since checkpoints may give arguments by position.
# Those that matter only to training are here to be known, and are not read.
_SIGNATURE = (
    "sources audio_channels channels growth depth rewrite lstm_layers kernel_size stride context "
    "gelu glu norm_starts norm_groups dconv_mode dconv_depth dconv_comp dconv_attn dconv_lstm "
    "dconv_init normalize resample rescale samplerate segment"
)
_V2_SIGNATURE = (
    "sources audio_channels channels depth rewrite glu rescale resample kernel_size stride growth "
    "lstm_layers context normalize samplerate segment_length"
)


def released_v2_arguments(
    tensors: Mapping[str, Tensor],
    file_name: str,  # noqa: ARG001
) -> dict[str, object] | None:
    """The arguments of a released checkpoint, which holds nothing but tensors; None for any other.

    Causal relatives of one channel, such as the Demucs denoiser, have LSTMs of one direction.
    """
    first = tensors.get("encoder.0.0.weight")
    if first is None or first.ndim != 3 or "lstm.lstm.weight_ih_l0_reverse" not in tensors:
        return None
    return {"sources": list(MUSDB18_STEMS), "channels": int(first.shape[0])}


@dataclass(frozen=True, kw_only=True, slots=True)
class TimeUNetConfig:
    """What both generations of the time-domain U-Net have, with the third one's defaults."""

    stems: tuple[str, ...] = arg("sources")
    sample_rate: int = arg("samplerate", 44100, low=1000, high=768_000)
    num_channels: int = arg("audio_channels", 2, low=1, high=64)
    channels: int = arg("channels", 64, low=1, high=4096)
    growth: float = arg("growth", 2.0, low=1, high=16)
    depth: int = arg("depth", 6, low=1, high=16)
    kernel_size: int = arg("kernel_size", 8, low=1, high=128)
    stride: int = arg("stride", 4, low=1, high=64)
    rewrite: bool = arg("rewrite", True)
    glu: bool = arg("glu", True)
    resample: bool = arg("resample", True)
    """The layers work at twice the sample rate."""
    lstm_layers: int = arg("lstm_layers", 0, low=0, high=16)
    normalize: bool = arg("normalize", True)
    """Each chunk is brought to zero mean and unit deviation, and back."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DemucsConfig(TimeUNetConfig):
    """The third generation."""

    chunk_samples: int = segment_arg(40)
    context: int = arg("context", 1, low=0, high=16)
    gelu: bool = arg("gelu", True)
    first_norm_layer: int = arg("norm_starts", 4, low=0, high=1_000_000)
    norm_groups: int = arg("norm_groups", 4, low=1, high=4096)
    dconv_mode: int = arg("dconv_mode", 1, low=0, high=3)
    """1: residual branches in encoders, 2: in decoders, 3: in both."""
    dconv_depth: int = arg("dconv_depth", 2, low=-8, high=8)
    dconv_compress: float = arg("dconv_comp", 4, low=1, high=4096)
    first_attention_layer: int = arg("dconv_attn", 4, low=0, high=1_000_000)
    first_lstm_layer: int = arg("dconv_lstm", 4, low=0, high=1_000_000)


@dataclass(frozen=True, kw_only=True, slots=True)
class DemucsV2Config(TimeUNetConfig):
    """The second generation."""

    chunk_samples: int = arg("segment_length", 40 * 44100, low=16, high=1 << 26)
    context: int = arg("context", 3, low=1, high=33)
    """Steps that each decoder hears at once."""
    lstm_layers: int = arg("lstm_layers", 2, low=0, high=16)
    normalize: bool = arg("normalize", False)


read_demucs_config = reader_of(DemucsConfig, "Demucs", order=_SIGNATURE)
"""Of the arguments of `demucs.demucs.Demucs`."""
read_demucs_v2_config = reader_of(DemucsV2Config, "Demucs v2", order=_V2_SIGNATURE)
"""Of the arguments of `demucs.model.Demucs`."""
