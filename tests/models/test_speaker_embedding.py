"""Vectors of voices against those of Resemblyzer, with random weights and with the published."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stemsplit.dsp.difference import signal_to_difference_db
from stemsplit.models.speaker_embedding import SpeakerEmbedding, partial_starts
from tests.golden.make_speaker_embedding import LENGTHS, PUBLISHED
from tests.models.deterministic_weights import fill_by_name
from tests.models.loading import golden
from tests.models.recorded_voices import SPEAKERS, recorded
from tests.models.takes import TAKES

REQUIRED_DB = 100.0


def random_network() -> SpeakerEmbedding:
    network = SpeakerEmbedding()
    fill_by_name(network)
    return network.requires_grad_(False)


@pytest.mark.parametrize("take", TAKES)
@pytest.mark.parametrize("length", LENGTHS)
def test_vectors_are_those_of_the_package(length: str, take: str) -> None:
    found = random_network()(TAKES[take](LENGTHS[length]))[0]
    expected = golden("speaker_embedding")[f"{length}.{take}"]
    assert signal_to_difference_db(expected, found) > REQUIRED_DB


@pytest.mark.parametrize("take", PUBLISHED)
def test_with_the_published_weights_too(published: SpeakerEmbedding, take: str) -> None:
    found = published(TAKES[take](LENGTHS["long"]))[0]
    expected = golden("speaker_embedding")[f"published.{take}"]
    assert signal_to_difference_db(expected, found) > REQUIRED_DB


@pytest.mark.slow
def test_real_voices_are_known_again(published: SpeakerEmbedding) -> None:
    """0.97 and more for the same speaker, 0.77 and less for another, in other recordings."""

    def vector(name: str) -> Tensor:
        return published(recorded(name))[0]

    references = torch.stack([vector(f"{name}-reference") for name in SPEAKERS])
    for index, name in enumerate(SPEAKERS):
        likeness = (references @ vector(name)).tolist()
        assert likeness.pop(index) > 0.96
        assert max(likeness) < 0.8


def test_silence_and_a_single_sample_have_finite_vectors() -> None:
    for num_samples in (1, 100, 30_000):
        assert random_network()(torch.zeros(2, num_samples)).isfinite().all()


def test_items_of_a_batch_do_not_influence_each_other() -> None:
    takes = torch.cat([make(30_000) for make in TAKES.values()])
    network = random_network()
    alone = torch.cat([network(take[None]) for take in takes])
    torch.testing.assert_close(network(takes), alone, atol=1e-6, rtol=0)


def test_a_quiet_voice_is_the_same_voice() -> None:
    voice = TAKES["voice"](30_000)
    quiet, loud = random_network()(torch.cat((1e-3 * voice, 1e-2 * voice)))
    torch.testing.assert_close(quiet, loud, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("num_samples", "num_partials"), [(0, 1), (1, 1), (25_600, 1), (31_000, 1), (32_000, 2)]
)
def test_what_is_heard_at_a_time_begins_three_quarters_apart(
    num_samples: int, num_partials: int
) -> None:
    assert partial_starts(num_samples) == [77 * index for index in range(num_partials)]
