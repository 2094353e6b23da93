"""Chunks of a length that a user asks for: never longer than the song, and never more than fits."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.device import chunk_memory
from stemsplit.device.chunk_memory import peak_bytes_of
from stemsplit.device.runtime import choose_runtime
from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.errors import DeviceMemoryError
from tests.engine.inference_rules import community_rule
from tests.engine.toy_models import POLICY, STEMS, EdgeModel, community_policy, model_of
from tests.engine.tracks import Track, noise, run

RATE = 1000  # one second is one chunk of POLICY


class HungryModel(EdgeModel):
    """Takes a hundred bytes for each sample, beside what its estimates take."""

    BYTES_PER_SAMPLE = 100

    def __call__(self, mixture: Tensor) -> Tensor:
        hidden = torch.zeros(mixture.shape[-1], self.BYTES_PER_SAMPLE // 4)
        return super().__call__(mixture) + hidden.sum(dim=1)


def hungry() -> HungryModel:
    return HungryModel(policy=POLICY, sample_rate=RATE)


@pytest.mark.parametrize("length", [0, 1, 500, 1000, 1001, 5432])
@pytest.mark.parametrize("policy", [POLICY, community_policy(1000, 4), community_policy(1000, 1)])
def test_beyond_the_song_every_segment_is_the_song(policy: ChunkPolicy, length: int) -> None:
    """Whatever the number is, one chunk comes out, and nothing longer was ever made."""
    audio = noise(length)
    heard = []
    for seconds in (25.0, 2000.0, 1e9, 1e300):
        model = EdgeModel(policy=policy, sample_rate=RATE)
        options = SeparationOptions(segment_seconds=seconds)
        take: dict[str, Tensor] = {}
        peak = peak_bytes_of(
            lambda take=take, model=model, options=options: take.update(  # type: ignore[misc]
                run(audio, model_of(model), sample_rate=RATE, options=options)
            )
        )
        assert peak < 2_000_000
        own = policy.chunk_samples if policy.fixed_length else 0
        tried = [RATE, 2 * RATE] if length > 1000 else []
        expected = [max(length, own)] if length else []
        assert model.lengths == [*tried, *expected]
        heard.append(take)
    for take in heard[1:]:
        for stem in STEMS:
            assert torch.allclose(take[stem], heard[0][stem], atol=1e-6)


@pytest.mark.parametrize("chunk", [700, 1000, 1700, 5000])
def test_within_the_song_it_is_what_was_asked_for(chunk: int) -> None:
    audio = noise(5000)
    model = EdgeModel(policy=community_policy(1000, 4), sample_rate=RATE)
    options = SeparationOptions(segment_seconds=chunk / RATE)
    stems = run(audio, model_of(model), sample_rate=RATE, options=options)
    expected = community_rule(
        EdgeModel(policy=community_policy(1000, 4)), audio.numpy(), chunk=chunk, num_overlaps=4
    )
    ours = torch.stack([stems[stem] for stem in STEMS])
    assert np.allclose(ours, expected, atol=1e-6)


def free_bytes(monkeypatch: pytest.MonkeyPatch, num_bytes: int | None) -> None:
    monkeypatch.setattr(chunk_memory, "_free_bytes", lambda _: num_bytes)


def test_what_does_not_fit_is_refused_before_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    free_bytes(monkeypatch, 10_000_000)
    model = hungry()
    with pytest.raises(DeviceMemoryError) as caught:
        run(noise(500_000), model_of(model), sample_rate=RATE, options=segment(1e9))
    # Each sample takes 4 * 2 bytes of the chunk and four times that of estimates, three times all
    # of these outside of the network, and inside 100 bytes and one or two times the estimates.
    megabytes = re.search(r"A chunk of 500\.0 s would take about (\d+) MB", caught.value.message)
    assert megabytes is not None
    assert 0.5 * (3 * (8 + 32) + 100 + 32) < int(megabytes[1]) < 0.5 * (3 * (8 + 32) + 100 + 80)
    assert caught.value.message.endswith("and 10 MB are free.")
    advised = int(caught.value.hint.removeprefix("Use `segment=").removesuffix("` or less."))
    assert max(model.lengths) == 2 * RATE
    assert 10 < advised < 100
    stems = run(noise(500_000), model_of(model), sample_rate=RATE, options=segment(advised))
    assert set(stems) == set(STEMS)
    with pytest.raises(DeviceMemoryError):
        run(noise(500_000), model_of(model), sample_rate=RATE, options=segment(advised + 1))


def segment(seconds: float, **options: Any) -> SeparationOptions:
    return SeparationOptions(segment_seconds=seconds, **options)


def test_several_chunks_at_once_take_several_times_as_much(monkeypatch: pytest.MonkeyPatch) -> None:
    free_bytes(monkeypatch, 10_000_000)
    options = segment(20)
    run(noise(500_000), model_of(hungry()), sample_rate=RATE, options=options)
    with pytest.raises(DeviceMemoryError, match="16 chunks at once of 20") as caught:
        run(noise(500_000), model_of(hungry()), sample_rate=RATE, options=options, batch_size=16)
    assert caught.value.hint == "Use a smaller `batch_size`, or shorter chunks (`segment`)."


def test_where_nothing_fits_or_no_one_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    free_bytes(monkeypatch, 0)
    with pytest.raises(DeviceMemoryError, match="leave `segment` out"):
        run(noise(5000), model_of(hungry()), sample_rate=RATE, options=segment(2))
    run(noise(5000), model_of(hungry()), sample_rate=RATE)  # its own chunks are not asked about
    run(noise(5000), model_of(hungry()), sample_rate=RATE, options=segment(0.5))
    free_bytes(monkeypatch, None)
    run(noise(5000), model_of(hungry()), sample_rate=RATE, options=segment(2))


def test_what_was_let_through_once_is_let_through_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first song's memory may still be this process's, and then it is not free."""
    model, runtime = model_of(hungry()), choose_runtime(device="cpu")

    def plan(length: int) -> None:
        next(Track(Mixture.from_array(noise(length), RATE), model, runtime, segment(1e9)).blocks())

    free_bytes(monkeypatch, 10_000_000)
    plan(20_000)
    free_bytes(monkeypatch, 0)
    plan(20_000)
    plan(4000)
    with pytest.raises(DeviceMemoryError):
        plan(20_001)


def test_the_meter_counts_what_is_alive_at_once() -> None:
    def work() -> None:
        first = torch.zeros(1000)  # 4000 bytes
        view = first[10:].view(-1)
        second = torch.cat([view, view])  # 7920
        del first, view
        third = second + 1  # 7920, and the first is gone
        third.add_(1)

    with torch.inference_mode():
        assert peak_bytes_of(work) == 2 * 7920
    assert math.isclose(peak_bytes_of(lambda: None), 0)
