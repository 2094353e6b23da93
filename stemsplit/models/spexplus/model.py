"""SpEx+: finds one speaker in a mixture, whom it knows from a reference recording.

Ge, Xu, Wang, Chng, Dang, Li, "SpEx+: a complete time domain speaker extraction network"
(Interspeech 2020), arXiv:2005.04686.

The paper's network hears an utterance as a whole, and its norms are over all of it: so is a track
here that is no longer than a chunk. The reference goes through the same encoders as the mixture,
and what is known of the speaker enters each repeat of the separator.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.models.blocks.arguments import MAX_LAYER_CHANNELS
from stemsplit.models.blocks.feature_norms import FrameNorm
from stemsplit.models.blocks.fitted_level import fitted_to
from stemsplit.models.spec import ModelSpec
from stemsplit.models.spexplus.config import SpexPlusConfig
from stemsplit.models.spexplus.speaker_layers import EPSILON, Repeat, SpeakerEncoder

_CHUNK_SECONDS = 16
_OVERLAP = 0.25
_WINDOWS = ("short", "middle", "long")


class SpexPlus(nn.Module):
    """The network without a voice to look for: `enrol` gives the model that has one."""

    def __init__(self, config: SpexPlusConfig) -> None:
        super().__init__()
        _check(config)
        self.config = config
        self.spec = _spec(config)
        features, inner = config.num_filters, config.bottleneck_channels
        hop = config.short_samples // 2
        self.encoders = nn.ModuleDict(
            {
                name: nn.Conv1d(1, features, samples, hop)
                for name, samples in zip(_WINDOWS, config.window_samples, strict=True)
            }
        )
        self.ln = FrameNorm(3 * features, EPSILON)
        self.proj = nn.Conv1d(3 * features, inner, 1)
        self.repeats = nn.ModuleList(Repeat(config) for _ in range(config.num_repeats))
        self.mask = nn.Conv1d(inner, features, 1)
        self.decoder = nn.ConvTranspose1d(features, 1, config.short_samples, hop)
        self.speaker = SpeakerEncoder(config)

    def forward(self, mixture: Tensor) -> Tensor:  # noqa: ARG002
        raise ValueError("SpEx+ finds a voice that it knows: it has to `enrol` a reference first")

    def enrol(self, reference: Tensor) -> EnrolledSpexPlus:
        """The model that finds the voice of the reference [C, T].

        Raises:
            ValueError: the reference is shorter than 27 windows, a fifth of a second at most.
        """
        mono = reference.mean(0, keepdim=True)[None].to(self.proj.weight)  # [1, 1, T]
        shortest = self.config.short_samples * (SpeakerEncoder.MIN_FRAMES + 1) // 2
        if mono.shape[-1] < shortest:
            raise ValueError(
                f"a reference of {mono.shape[-1]} samples is too short, {shortest} are needed"
            )
        with torch.inference_mode(False), torch.no_grad():
            return EnrolledSpexPlus(self, self.speaker(self.encode(mono)))

    def encode(self, audio: Tensor) -> Tensor:
        """Features [B, 3 D, N] of audio [B, 1, T], of all lengths of windows."""
        short, *longer = self.config.window_samples
        hop = short // 2
        num_samples = (audio.shape[-1] - short) // hop * hop  # up to the last window's start
        features = [F.relu(self.encoders["short"](audio))]
        for name, samples in zip(_WINDOWS[1:], longer, strict=True):
            padded = F.pad(audio, (0, num_samples + samples - audio.shape[-1]))
            features.append(F.relu(self.encoders[name](padded)))
        return torch.cat(features, dim=1)

    def estimate(self, mixture: Tensor, embedding: Tensor) -> Tensor:
        """The voice with the embedding [1, E], in [B, 1, T], at whatever level the network has."""
        features = self.encode(mixture.float())  # [B, 3 D, N]
        x = self.proj(self.ln(features))  # [B, D, N]
        for repeat in self.repeats:
            x = repeat(x, embedding)
        scores = self.mask(x)
        mask = torch.sigmoid(scores) if self.config.activation == "sigmoid" else F.relu(scores)
        short = features[:, : self.config.num_filters]
        voice: Tensor = self.decoder(short * mask)
        return voice.float()


class EnrolledSpexPlus(nn.Module):
    """Mixture [B, 1, T] -> the voice of the reference [B, 1, 1, T].

    The network learned to be right up to a factor. Its authors' program brings each utterance to
    the peak of the mixture, whoever is the louder; here the voice is brought to the level at which
    least of it is left in the rest, so that both are what they are in the mixture.
    """

    def __init__(self, extractor: SpexPlus, embedding: Tensor) -> None:
        super().__init__()
        self.extractor = extractor
        self.spec = replace(extractor.spec, needs_reference=False)
        self.register_buffer("embedding", embedding, persistent=False)  # [1, E]
        self.embedding: Tensor

    def forward(self, mixture: Tensor) -> Tensor:
        num_samples = mixture.shape[-1]
        if self.spec.chunking.fitted_length(num_samples) != num_samples:
            raise ValueError(f"{num_samples} is not a length that the chunking policy gives")
        voice = self.extractor.estimate(mixture, self.embedding)  # [B, C, T]
        return fitted_to(mixture, voice[:, None])


def _check(config: SpexPlusConfig) -> None:
    if config.short_samples % 2:
        raise ValueError(f"windows of {config.short_samples} samples do not overlap by half")
    if config.kernel_size % 2 == 0:
        raise ValueError(f"a kernel of {config.kernel_size} frames has no middle")
    if 3 * config.num_filters > MAX_LAYER_CHANNELS:
        raise ValueError(f"a layer would have {3 * config.num_filters} channels")


def _spec(config: SpexPlusConfig) -> ModelSpec:
    chunking = ChunkPolicy(
        chunk_samples=_CHUNK_SECONDS * config.sample_rate,
        overlap_samples=0,
        min_length_samples=config.short_samples,
        length_step_samples=config.short_samples // 2,
    )
    return ModelSpec(
        family="spexplus",
        stems=("target",),
        residual_stem="rest",
        needs_reference=True,
        sample_rate=config.sample_rate,
        num_channels=1,
        chunking=chunking.resized(overlap=_OVERLAP),
        scaling=None,
        paper="Ge et al. (2020), arXiv:2005.04686",
    )
