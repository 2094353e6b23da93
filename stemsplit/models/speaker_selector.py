"""A voice that is known from a reference, by any network that tells speakers apart.

Such a network does not know who is who, and may name the same speaker otherwise in each chunk. So
its estimates of each chunk are compared with the reference, and the nearest voice is the target's.
Nothing is learned for it, and that is its limit: where the wanted voice says nothing for as long as
a chunk, whoever is audible is taken for it.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from stemsplit.models.speaker_embedding import SAMPLE_RATE, SpeakerEmbedding
from stemsplit.models.spec import Model

_SILENT_DB = -40.0
"""Below the loudest estimate: what a network leaves in an output that nobody is in."""


class SpeakerSelector(nn.Module):
    """An `Extractor` made of a network for several speakers, [B, C, T] -> [B, S, C, T]."""

    def __init__(self, separator: Model, embedding: SpeakerEmbedding) -> None:
        super().__init__()
        self.separator = separator
        self.embedding = embedding
        # Still without an order, as the separator: so all channels are heard together, and not
        # one voice on the left and another on the right.
        self.spec = replace(
            separator.spec, stems=("target",), residual_stem="rest", needs_reference=True
        )

    def forward(self, mixture: Tensor) -> Tensor:  # noqa: ARG002
        raise ValueError("which voice is wanted is not known: it has to `enrol` a reference first")

    def enrol(self, reference: Tensor) -> EnrolledSelector:
        """The model that chooses the voice of the reference [C, T].

        Raises:
            ValueError: the reference is empty.
        """
        if not reference.shape[-1]:
            raise ValueError("an empty reference has no voice")
        device = self.embedding.linear.weight.device
        with torch.inference_mode(False), torch.no_grad():
            return EnrolledSelector(self, self.embed(reference.to(device).mean(0)[None]))

    def embed(self, voices: Tensor) -> Tensor:
        """Who is speaking [B, E] in the voices [B, T] at the separator's rate."""
        at_its_rate = _resampled(voices.float(), self.spec.sample_rate, SAMPLE_RATE)
        embeddings: Tensor = self.embedding(at_its_rate)
        return embeddings


class EnrolledSelector(nn.Module):
    """Mixture [B, C, T] -> the speaker in it who is nearest to the reference [B, 1, C, T]."""

    def __init__(self, selector: SpeakerSelector, target: Tensor) -> None:
        super().__init__()
        self.selector = selector
        self.spec = replace(selector.spec, needs_reference=False)
        self.register_buffer("target", target, persistent=False)  # [1, E]
        self.target: Tensor

    def forward(self, mixture: Tensor) -> Tensor:
        speakers: Tensor = self.selector.separator(mixture)  # [B, S, C, T]
        voices = speakers.float().mean(2)  # [B, S, T]
        likeness = self.selector.embed(voices.flatten(0, 1)) @ self.target[0]  # [B * S]
        likeness = likeness.reshape(voices.shape[:2])
        chosen = likeness.masked_fill(_is_silent(voices), -torch.inf).argmax(-1)  # [B]
        nearest: Tensor = speakers[torch.arange(len(speakers), device=chosen.device), chosen]
        return nearest[:, None]


def _is_silent(voices: Tensor) -> Tensor:
    """Which of the voices [B, S, T] are, beside the loudest of their item; never all of them."""
    level = voices.square().mean(-1)  # [B, S]
    return level < level.amax(-1, keepdim=True) * 10 ** (_SILENT_DB / 10)


def _resampled(voices: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """The voices [B, T] at another rate, all at once: good enough to know them by."""
    if from_rate == to_rate:
        return voices
    num_samples = max(1, round(voices.shape[-1] * to_rate / from_rate))
    spectrum = torch.fft.rfft(voices)[..., : num_samples // 2 + 1]
    resampled: Tensor = torch.fft.irfft(spectrum, num_samples)
    return resampled * (num_samples / voices.shape[-1])
