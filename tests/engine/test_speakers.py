"""Networks that tell speakers apart, and have them in any order for each chunk."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from stemsplit.device.runtime import choose_runtime
from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.models.spec import ModelSpec
from tests.engine.toy_models import model_of
from tests.engine.tracks import Track, noise, run

RATE = 1000
LOUDEST = 0.6


class LevelModel:
    """Each stem has the samples of one range of levels; what comes first is the chunk's choice."""

    def __init__(self, num_stems: int, *, shuffled: bool, overlap: float = 0.5) -> None:
        policy = ChunkPolicy(chunk_samples=1000, overlap_samples=0, context_samples=7)
        self.spec = ModelSpec(
            family="toy",
            stems=tuple(f"speaker{index + 1}" for index in range(num_stems)),
            sample_rate=RATE,
            num_channels=1,
            chunking=policy.resized(overlap=overlap),
            scaling=None,
            paper="none",
            ordered=False,
        )
        self._orders = list(itertools.permutations(range(num_stems))) if shuffled else None

    def __call__(self, mixture: Tensor) -> Tensor:
        num_stems = len(self.spec.stems)
        level = (mixture.abs() / LOUDEST * num_stems).floor().clamp(max=num_stems - 1)  # [B, 1, T]
        ranges = torch.arange(num_stems)[:, None, None]
        stems = mixture[:, None] * (level[:, None] == ranges)  # [B, S, 1, T]
        if self._orders is None:
            return stems
        return torch.stack([each[list(self._order_of(each))] for each in stems])

    def _order_of(self, chunk: Tensor) -> tuple[int, ...]:
        assert self._orders is not None
        value = int(chunk.abs().sum().view(torch.int32))  # as good as random, and the chunk's own
        return self._orders[value % 7919 % len(self._orders)]


def separated(audio: Tensor, num_stems: int, **how: object) -> Tensor:
    """[S, C, T], in the order in which the first of them is heard, and so on."""
    stems = run(audio, model_of(LevelModel(num_stems, shuffled=True)), sample_rate=RATE, **how)  # type: ignore[arg-type]
    return torch.stack(list(stems.values()))


def plain(audio: Tensor, num_stems: int, **how: object) -> Tensor:
    stems = run(audio, model_of(LevelModel(num_stems, shuffled=False)), sample_rate=RATE, **how)  # type: ignore[arg-type]
    return torch.stack(list(stems.values()))


def same_but_for_the_order(found: Tensor, expected: Tensor) -> bool:
    return any(
        torch.equal(found[list(order)], expected)
        for order in itertools.permutations(range(len(expected)))
    )


@pytest.mark.parametrize("num_stems", [2, 3, 5])
@pytest.mark.parametrize("length", [1, 999, 1001, 12_345])
def test_each_file_is_one_speaker_from_the_beginning_to_the_end(
    num_stems: int, length: int
) -> None:
    audio = noise(length, num_channels=1)
    assert same_but_for_the_order(separated(audio, num_stems), plain(audio, num_stems))


def test_the_network_does_mix_them_up() -> None:
    """Or nothing here would be tested."""
    audio = noise(12_345, num_channels=1)
    model = LevelModel(2, shuffled=True)
    orders = {
        model._order_of(LevelModel(2, shuffled=False)(audio[None, :, start : start + 1000])[0])
        for start in range(0, 11_000, 500)
    }
    assert len(orders) == 2


@pytest.mark.parametrize("overlap", [0.1, 0.75])
def test_any_overlap_will_do(overlap: float) -> None:
    audio = noise(9_000, num_channels=1)
    options = SeparationOptions(overlap=overlap)
    found = separated(audio, 3, options=options)
    assert same_but_for_the_order(found, plain(audio, 3, options=options))


def test_a_batch_of_one_is_a_batch_of_many() -> None:
    audio = noise(12_345, num_channels=1)
    assert torch.equal(separated(audio, 2, batch_size=1), separated(audio, 2, batch_size=4))


def test_an_excerpt_is_that_part_of_the_whole() -> None:
    audio = noise(12_345, num_channels=1)
    part = separated(audio, 3, excerpt=Excerpt(start_seconds=3.0, end_seconds=9.5))
    assert same_but_for_the_order(part, separated(audio, 3)[..., 3000:9500])


def test_a_pause_of_everyone_leaves_them_as_they_were() -> None:
    audio = noise(12_000, num_channels=1)
    audio[:, 4000:8000] = 0  # longer than a chunk
    ordered = plain(audio, 2)
    found = separated(audio, 2)
    for part in (slice(0, 4500), slice(7500, 12_000)):  # one speaker for as long as anyone speaks
        assert same_but_for_the_order(found[..., part], ordered[..., part])
    assert not found[..., 4500:7500].any()


def test_one_speaker_alone_is_the_speaker_of_before() -> None:
    audio = noise(12_000, num_channels=1)
    quiet = audio.abs() < LOUDEST / 2
    audio = torch.where(quiet | (torch.arange(12_000) < 5000), audio, torch.zeros(()))
    assert same_but_for_the_order(separated(audio, 2), plain(audio, 2))


def test_a_single_stem_is_that_of_all() -> None:
    audio = noise(9_000, num_channels=1)
    everyone = separated(audio, 3)
    for index in range(3):
        options = SeparationOptions(stems=(f"speaker{index + 1}",))
        assert torch.equal(separated(audio, 3, options=options)[0], everyone[index])


@pytest.mark.parametrize("num_channels", [2, 6])
def test_all_channels_are_heard_at_once(num_channels: int) -> None:
    audio = noise(5_000, num_channels)
    heard = [index for index in range(num_channels) if num_channels != 6 or index != 3]  # the LFE
    stems = separated(audio, 2)
    mean = separated(audio[heard].mean(dim=0, keepdim=True), 2)
    for index in heard:
        assert torch.equal(stems[:, index], mean[:, 0])
    runtime = choose_runtime(device="cpu", batch_size=1)
    model = model_of(LevelModel(2, shuffled=True))
    (note,) = Track(Mixture.from_array(audio, RATE), model, runtime).warnings
    assert note == f"toy heard the mean of the {num_channels} channels, and has the same for each."
