"""The voice of a reference comes out whole, of a network that mixes speakers up."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from stemsplit.engine.mixture import Mixture
from stemsplit.models.speaker_embedding import SpeakerEmbedding
from stemsplit.models.speaker_selector import EnrolledSelector, SpeakerSelector
from tests.models.loading import separate
from tests.models.recorded_voices import SPEAKERS, recorded
from tests.models.toy_speakers import PITCHES_HZ, Forgetful, PitchKnower, speaker

SECONDS = 5


class Gains(nn.Module):
    """Each output is the mixture times a gain."""

    def __init__(self, gains: Tensor) -> None:
        super().__init__()
        self.gains = gains

    def forward(self, mixture: Tensor) -> Tensor:
        return mixture[:, None] * self.gains[:, None, None]


def voices(rate: int, num_samples: int | None = None) -> list[Tensor]:
    return [speaker(hz, num_samples or SECONDS * rate, rate) for hz in PITCHES_HZ]


def selector(rate: int, num_channels: int = 1) -> SpeakerSelector:
    embedding: Any = PitchKnower()
    return SpeakerSelector(Forgetful(voices(rate), rate, num_channels=num_channels), embedding)


def enrolled(rate: int, wanted: int, num_channels: int = 1) -> EnrolledSelector:
    return selector(rate, num_channels).enrol(0.3 * voices(rate, rate)[wanted])


@pytest.mark.parametrize("wanted", [0, 1])
@pytest.mark.parametrize("rate", [8000, 16_000])
def test_the_wanted_voice_comes_out_of_the_whole_file(rate: int, wanted: int) -> None:
    both = voices(rate)
    mixture = both[0] + both[1]
    stems = separate(enrolled(rate, wanted), Mixture.from_array(mixture, rate))
    torch.testing.assert_close(stems["target"], both[wanted], atol=1e-5, rtol=0)
    torch.testing.assert_close(stems["rest"], both[1 - wanted], atol=1e-5, rtol=0)


def test_both_channels_have_the_same_voice() -> None:
    both = voices(16_000)
    mixture = (both[0] + both[1]).expand(2, -1)
    stems = separate(enrolled(16_000, 1), Mixture.from_array(mixture, 16_000))
    torch.testing.assert_close(stems["target"], both[1].expand(2, -1), atol=1e-5, rtol=0)


def test_what_is_nearly_silent_is_nobody() -> None:
    _, second = voices(16_000, 16_000)
    model = enrolled(16_000, 0)
    model.selector.separator = Gains(torch.tensor([1e-4, 1.0]))
    found = model(second[None])
    torch.testing.assert_close(found[0, 0], second)


@torch.inference_mode()
def test_silence_stays_silent() -> None:
    model = enrolled(16_000, 0)
    model.selector.separator = Gains(torch.ones(2))
    assert not model(torch.zeros(3, 1, 16_000)).any()


def test_a_voice_has_to_be_known() -> None:
    model = selector(16_000)
    assert model.spec.needs_reference
    assert model.spec.offered_stems == ("target", "rest")
    with pytest.raises(ValueError, match="enrol"):
        model(torch.zeros(1, 1, 16_000))
    with pytest.raises(ValueError, match="empty"):
        model.enrol(torch.zeros(1, 0))
    assert not model.enrol(torch.ones(2, 1)).spec.needs_reference


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [0, 1])
def test_real_voices_are_told_apart_by_the_published_network(
    published: SpeakerEmbedding, wanted: int
) -> None:
    names = SPEAKERS[:2]
    both = [recorded(name)[:, : 20 * 16_000] for name in names]
    both = [voice[:, : min(each.shape[-1] for each in both)] for voice in both]
    separator = Forgetful(both, 16_000, chunk_seconds=4)
    model = SpeakerSelector(separator, published).enrol(recorded(f"{names[wanted]}-reference"))
    stems = separate(model, Mixture.from_array(both[0] + both[1], 16_000))
    torch.testing.assert_close(stems["target"], both[wanted], atol=1e-5, rtol=0)
