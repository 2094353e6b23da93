"""A part of a song is the same part of the whole song, separated."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stemsplit.audio.formats import SampleRate
from stemsplit.audio.resample import resampled_length
from stemsplit.device.runtime import choose_runtime
from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.separate import Progress
from stemsplit.errors import AudioReadError, UsageError
from stemsplit.models.spec import InputScaling
from tests.engine.toy_models import STEMS, EdgeModel, GainModel, model_of
from tests.engine.tracks import Track, noise, run

LENGTH = 30_011


def track_of(mixture: Mixture, excerpt: Excerpt, *models: GainModel) -> Track:
    bag = model_of(*(models or (EdgeModel(),)))
    mixture = replace(mixture, excerpt=excerpt)
    return Track(mixture, bag, choose_runtime(device="cpu"), SeparationOptions())


@pytest.mark.slow
@given(
    source_rate=st.sampled_from([44100, 48000, 22050, 8000]),
    output_rate=st.sampled_from(["source", "model", 32000]),
    shifts=st.sampled_from([0, 2]),
    bounds=st.tuples(st.integers(0, LENGTH - 1), st.integers(1, LENGTH)).filter(
        lambda bounds: bounds[0] < bounds[1]
    ),
)
@settings(max_examples=30)
def test_a_range_is_that_range_of_the_whole(
    source_rate: int, output_rate: SampleRate, shifts: int, bounds: tuple[int, int]
) -> None:
    start, stop = bounds
    audio = noise(LENGTH)
    policy = ChunkPolicy(
        chunk_samples=5000, overlap_samples=1250, min_length_samples=7, length_step_samples=900
    )
    bag = model_of(
        EdgeModel(policy=policy, scaling=InputScaling()), EdgeModel(scaling=InputScaling())
    )
    options = SeparationOptions(
        shifts=shifts,
        mixes=("karaoke = mixture - vocals",),
        stems=STEMS,
    )
    part = Excerpt(start_seconds=start / source_rate, end_seconds=stop / source_rate)
    same = {"sample_rate": source_rate, "options": options, "output_rate": output_rate}
    whole = run(audio, bag, **same)  # type: ignore[arg-type]
    piece = run(audio, bag, **same, excerpt=part)  # type: ignore[arg-type]
    to_rate = {"source": source_rate, "model": 44100}.get(str(output_rate), 32000)
    first, last = (resampled_length(n, source_rate, to_rate) for n in bounds)
    for name, samples in whole.items():
        assert piece[name].shape[-1] == last - first
        # Equal rates give equal bits; a resampled stream that begins elsewhere is convolved in
        # other pieces, which sum in another order: 2e-6 each way, and EdgeModel adds gain.
        assert torch.allclose(piece[name], samples[:, first:last], atol=1e-5)


def test_without_resampling_a_range_is_equal_in_every_bit() -> None:
    options = SeparationOptions(shifts=1)
    excerpt = Excerpt(start_seconds=0.1234, end_seconds=0.4321)
    whole = run(noise(LENGTH), model_of(EdgeModel()), options=options)
    piece = run(noise(LENGTH), model_of(EdgeModel()), options=options, excerpt=excerpt)
    first, last = round(0.1234 * 44100), round(0.4321 * 44100)
    for stem in STEMS:
        assert torch.equal(piece[stem], whole[stem][:, first:last])


def test_only_the_chunks_that_touch_the_range_are_run() -> None:
    model = GainModel()
    seen: list[Progress] = []
    excerpt = Excerpt(start_seconds=2000 / 44100, end_seconds=2600 / 44100)
    track = Track(
        Mixture.from_array(noise(LENGTH), 44100, excerpt),
        model_of(model),
        choose_runtime(device="cpu"),
        SeparationOptions(),
        on_progress=seen.append,
    )
    total = sum(block.stems.shape[-1] for block in track.blocks())
    # Chunks of 1000 every 750: those that begin at 1500 and 2250 reach into [2000, 2600).
    assert (total, len(model.lengths), seen[-1].num_chunks) == (600, 2, 2)
    assert seen[-1].share == 1.0


def test_what_lies_far_before_the_range_is_not_kept() -> None:
    alive: weakref.WeakSet[Tensor] = weakref.WeakSet()
    counts: list[int] = []

    def play() -> Iterator[Tensor]:
        for _ in range(100):
            block = torch.full((2, 48_000), 0.1)
            alive.add(block)
            counts.append(len(alive))
            yield block

    mixture = Mixture("tape", 48_000, ("FL", "FR"), play)
    track = track_of(mixture, Excerpt(start_seconds=90, end_seconds=91), GainModel())
    blocks = [block.stems for block in track.blocks()]
    assert torch.cat(blocks, dim=-1).shape == (4, 2, 48_000)
    assert len(counts) > 190  # both passes
    assert max(counts) < 10


def test_an_end_after_the_song_is_cut_and_said() -> None:
    mixture = replace(Mixture.from_array(noise(44100), 44100), name="song.wav")
    track = track_of(mixture, Excerpt(start_seconds=0.5, end_seconds=2))
    assert track.plan.num_samples == 22_050
    assert track.warnings == [
        "`end` 2 s is after the end of song.wav: the outputs end with it, at 1.00 s."
    ]
    assert track_of(mixture, Excerpt(end_seconds=1)).warnings == []


def test_a_range_without_samples_is_an_error() -> None:
    mixture = replace(Mixture.from_array(noise(44100), 44100), name="song.wav")
    with pytest.raises(AudioReadError, match=r"song.wav is 1.00 s long, and `start` is 1 s"):
        track_of(mixture, Excerpt(start_seconds=1))
    with pytest.raises(AudioReadError, match=r"no sample between `start` 0\.5 s and `end` 0\.5000"):
        track_of(mixture, Excerpt(start_seconds=0.5, end_seconds=0.500001))


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (-1.0, None, "`start` must be 0 seconds or later, got -1"),
        (float("nan"), None, "`start` must be 0 seconds or later, got nan"),
        (float("inf"), None, "got inf"),
        (2.0, 2.0, r"`end` must be later than `start` \(2 s\), got 2"),
        (2.0, 1.0, r"`end` must be later than `start` \(2 s\), got 1"),
        (0.0, float("nan"), "got nan"),
    ],
)
def test_a_range_that_makes_no_sense_is_a_usage_error(
    start: float, end: float | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Excerpt(start_seconds=start, end_seconds=end)


def test_an_empty_song_has_an_empty_range() -> None:
    track = track_of(Mixture.from_array(torch.zeros(2, 0), 48000), Excerpt(end_seconds=3))
    assert list(track.blocks()) == []
    assert track.plan.num_samples == 0
