"""Demucs as it was first published for waveforms alone. Défossez et al. (2019), arXiv:1911.13254.

An LSTM at the bottom, ReLUs, no norms, and decoders that hear the neighbouring steps without any
padding: what leaves the network is shorter than what enters it. Modules are addressed by their
position in a layer, since that is how published checkpoints name them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS, Arguments
from stemsplit.models.blocks.sequence import BLSTM
from stemsplit.models.blocks.standardize import standardize
from stemsplit.models.demucs.double_rate import downsample_by_two, upsample_by_two
from stemsplit.models.spec import InputScaling, ModelSpec

# In the order of the published class, since checkpoints may give arguments by position.
_SIGNATURE = (
    "sources audio_channels channels depth rewrite glu rescale resample kernel_size stride growth "
    "lstm_layers context normalize samplerate segment_length"
)
_MAX_READ_SAMPLES = 1 << 27
_RELEASED_STEMS = ("drums", "bass", "other", "vocals")


def released_arguments(tensors: Mapping[str, Tensor], file_name: str) -> dict[str, object] | None:  # noqa: ARG001
    """The arguments of a released checkpoint, which holds nothing but tensors; None for any other.

    Causal relatives of one channel, such as the Demucs denoiser, have LSTMs of one direction.
    """
    first = tensors.get("encoder.0.0.weight")
    if first is None or first.ndim != 3 or "lstm.lstm.weight_ih_l0_reverse" not in tensors:
        return None
    return {"sources": list(_RELEASED_STEMS), "channels": int(first.shape[0])}


@dataclass(frozen=True, kw_only=True, slots=True)
class DemucsV2Config:
    """The time-domain U-Net of the second generation."""

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
    glu: bool
    context: int
    """Steps that each decoder hears at once."""
    lstm_layers: int
    normalize: bool
    """Each chunk is brought to zero mean and unit deviation, and back."""
    resample: bool
    """The layers work at twice the sample rate."""

    @classmethod
    def from_arguments(cls, args: Sequence[object], kwargs: Mapping[str, object]) -> DemucsV2Config:
        """What the network needs of the arguments of `demucs.model.Demucs`.

        Raises:
            CheckpointError: an argument is invalid.
        """
        arguments = Arguments("Demucs v2", _SIGNATURE.split(), args, kwargs)
        return cls(
            stems=arguments.stems(),
            sample_rate=arguments.integer("samplerate", 44100, low=1000, high=768_000),
            num_channels=arguments.integer("audio_channels", 2, low=1, high=64),
            chunk_samples=arguments.integer("segment_length", 40 * 44100, low=16, high=1 << 26),
            channels=arguments.integer("channels", 64, low=1, high=4096),
            growth=arguments.number("growth", 2.0, low=1, high=16),
            depth=arguments.integer("depth", 6, low=1, high=16),
            kernel_size=arguments.integer("kernel_size", 8, low=1, high=128),
            stride=arguments.integer("stride", 4, low=1, high=64),
            rewrite=arguments.flag("rewrite", True),
            glu=arguments.flag("glu", True),
            context=arguments.integer("context", 3, low=1, high=33),
            lstm_layers=arguments.integer("lstm_layers", 2, low=0, high=16),
            normalize=arguments.flag("normalize", False),
            resample=arguments.flag("resample", True),
        )


class DemucsV2(nn.Module):
    """Mixture [B, C, T] -> stems [B, S, C, T], for T that leaves no sample over in any layer.

    The network gives fewer samples than it hears. On either side, half of what is missing is
    silent: the chunking policy has the network hear that much more than it uses.
    """

    def __init__(self, config: DemucsV2Config) -> None:
        super().__init__()
        self.config = config
        self.spec = _spec(config)
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        outer, inner = config.num_channels, config.channels
        for index in range(config.depth):
            if inner > MAX_LAYER_CHANNELS:
                raise ValueError(f"layer {index} would have {inner} channels")
            self.encoder.append(_encoder_layer(config, outer, inner))
            self.decoder.insert(0, _decoder_layer(config, index, inner, outer))
            outer, inner = inner, int(config.growth * inner)
        self.lstm = BLSTM(outer, num_layers=config.lstm_layers) if config.lstm_layers else None

    def forward(self, mixture: Tensor) -> Tensor:
        config = self.config
        num_samples = mixture.shape[-1]
        shortest, step = _fitting_lengths(config)
        if num_samples < shortest or (num_samples - shortest) % step:
            raise ValueError(f"{num_samples} is not a length that the chunking policy gives")
        mixture = mixture.float()
        scaled = standardize(mixture, statistics_of=mixture.mean(dim=1, keepdim=True))
        x = self._run_layers(scaled.values if config.normalize else mixture).float()
        x = torch.unflatten(x, 1, (len(config.stems), -1))  # [B, S, C, < T]
        if config.normalize:
            x = x * scaled.std[:, None] + scaled.mean[:, None]
        missing = num_samples - x.shape[-1]
        return F.pad(x, (missing // 2, missing - missing // 2))

    def _run_layers(self, x: Tensor) -> Tensor:
        """[B, C, T] -> [B, S * C, < T]."""
        if self.config.resample:
            x = upsample_by_two(x)  # [B, C, 2T]
        skips: list[Tensor] = []
        for encode in self.encoder:
            x = encode(x)
            skips.append(x)
        if self.lstm is not None:
            x = self.lstm(x)
        for decode in self.decoder:
            skip = skips.pop()
            left = (skip.shape[-1] - x.shape[-1]) // 2
            x = decode(x + skip[..., left : left + x.shape[-1]])
        return downsample_by_two(x) if self.config.resample else x


def _encoder_layer(config: DemucsV2Config, outer: int, inner: int) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv1d(outer, inner, config.kernel_size, config.stride),
        nn.ReLU(),
    ]
    if config.rewrite:
        layers += _rewrite(config, inner, context=1)
    return nn.Sequential(*layers)


def _decoder_layer(config: DemucsV2Config, index: int, inner: int, outer: int) -> nn.Sequential:
    out_channels = outer if index else outer * len(config.stems)
    layers = _rewrite(config, inner, context=config.context) if config.rewrite else []
    layers.append(nn.ConvTranspose1d(inner, out_channels, config.kernel_size, config.stride))
    if index:
        layers.append(nn.ReLU())
    return nn.Sequential(*layers)


def _rewrite(config: DemucsV2Config, channels: int, *, context: int) -> list[nn.Module]:
    out_channels = 2 * channels if config.glu else channels
    return [
        nn.Conv1d(channels, out_channels, context),
        nn.GLU(dim=1) if config.glu else nn.ReLU(),
    ]


def _fitting_lengths(config: DemucsV2Config) -> tuple[int, int]:
    """The smallest length that leaves no sample over in any layer, and the step to the next ones.

    A layer that gives n steps has read (n - 1) * stride + kernel; and the lowest one must give as
    many steps as a decoder hears at once.
    """
    length, step = config.context, 1
    for _ in range(config.depth):
        length = (length - 1) * config.stride + config.kernel_size
        step *= config.stride
    if config.resample:
        if length % 2 or step % 2:
            raise ValueError("the layers' lengths are odd, which twice the sample rate never is")
        length, step = length // 2, step // 2
    return length, step


def _margin(config: DemucsV2Config) -> int:
    """How many samples, on either side together, the network hears and does not give.

    A decoder gives context - 1 steps fewer than it hears, each of which is as many samples as all
    strides from there upwards multiply to.
    """
    scales: list[int] = [config.stride**level for level in range(1, config.depth + 1)]
    lost = (config.context - 1) * sum(scales)
    return lost // 2 if config.resample else lost


def _spec(config: DemucsV2Config) -> ModelSpec:
    shortest, step = _fitting_lengths(config)
    chunking = ChunkPolicy(
        chunk_samples=config.chunk_samples,
        overlap_samples=0,
        context_samples=-(-_margin(config) // 2),
        min_length_samples=shortest,
        length_step_samples=step,
        max_chunk_samples=config.chunk_samples,
    )
    read_samples = chunking.fitted_length(config.chunk_samples)
    if read_samples > _MAX_READ_SAMPLES:
        raise ValueError(f"it would read {read_samples} samples at once")
    return ModelSpec(
        family="demucs_v2",
        stems=config.stems,
        sample_rate=config.sample_rate,
        num_channels=config.num_channels,
        chunking=chunking.resized(overlap=0.25),
        scaling=InputScaling(),
        paper="Défossez et al. (2019), arXiv:1911.13254",
    )
