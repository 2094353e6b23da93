"""Networks with a memory: a track is one run from its first sample to its last."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.options import SeparationOptions
from stemsplit.models.blocks.stream import Stream
from stemsplit.models.spec import ModelSpec
from tests.engine.toy_models import model_of
from tests.engine.tracks import noise, run

LOOK_AHEAD = 7
DECAY = 0.999


class RunningMean:
    """A mean over all that was heard, and what comes `LOOK_AHEAD` samples later: two stems."""

    def __init__(self, chunk_samples: int = 1000, step: int = 1) -> None:
        self.spec = ModelSpec(
            family="toy",
            stems=("past", "future"),
            sample_rate=44100,
            num_channels=1,
            chunking=ChunkPolicy(
                chunk_samples=chunk_samples,
                overlap_samples=0,
                context_samples=LOOK_AHEAD * step,
                window="sum",
                tail="left",
                sequential=True,
                length_step_samples=step,
            ),
            scaling=None,
            paper="none",
        )
        self.num_streams = 0
        self.lengths: list[int] = []
        self._look_ahead = LOOK_AHEAD * step

    def __call__(self, mixture: Tensor) -> Tensor:
        return Stream(self)(mixture)

    def stream(self, num_samples: int) -> Stream[tuple[Tensor, Tensor]]:
        self.num_streams += 1
        return Stream(self, num_samples)

    def start(self, mixture: Tensor, num_samples: int) -> tuple[Tensor, Tensor]:
        self.lengths.append(num_samples)
        return mixture.new_zeros(*mixture.shape[:2], 1), mixture[..., :0]

    def advance(
        self, mixture: Tensor, state: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        mean, waiting = state
        heard = torch.cat((waiting, mixture), dim=-1)
        now, later = heard[..., : -self._look_ahead], heard[..., self._look_ahead :]
        means = []
        for sample in now.unbind(-1):
            mean = DECAY * mean + (1 - DECAY) * sample[..., None]
            means.append(mean)
        past = torch.cat(means, dim=-1)
        return torch.stack((past, later), dim=1), (mean, heard[..., -self._look_ahead :])


def expected(audio: Tensor) -> dict[str, Tensor]:
    means, mean = [], torch.zeros(len(audio))
    for sample in audio.unbind(-1):
        mean = DECAY * mean + (1 - DECAY) * sample
        means.append(mean)
    later = torch.nn.functional.pad(audio, (0, LOOK_AHEAD))[:, LOOK_AHEAD:]
    return {"past": torch.stack(means, dim=-1), "future": later}


@pytest.mark.parametrize("length", [1, 6, 999, 1000, 1001, 2503])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_chunks_are_one_run_over_the_whole_track(length: int, num_channels: int) -> None:
    audio = noise(length, num_channels)
    model = RunningMean()
    stems = run(audio, model_of(model))
    assert model.num_streams == num_channels
    assert model.lengths == [length] * num_channels
    for name, samples in expected(audio).items():
        assert torch.equal(stems[name], samples)


@pytest.mark.slow
@given(length=st.integers(1, 3000), chunk=st.integers(1, 700), step=st.integers(1, 40))
@settings(max_examples=20)
def test_the_length_of_chunks_does_not_matter(length: int, chunk: int, step: int) -> None:
    audio = noise(length)
    stems = run(audio, model_of(RunningMean(chunk * step, step)))
    assert torch.equal(stems["past"], expected(audio)["past"])


@given(bounds=st.tuples(st.integers(0, 2502), st.integers(1, 2503)).filter(lambda b: b[0] < b[1]))
@settings(max_examples=10)
def test_a_range_remembers_what_was_before_it(bounds: tuple[int, int]) -> None:
    audio = noise(2503)
    start, stop = (bound / 44100 for bound in bounds)
    part = run(
        audio, model_of(RunningMean()), excerpt=Excerpt(start_seconds=start, end_seconds=stop)
    )
    for name, samples in expected(audio).items():
        assert torch.equal(part[name], samples[:, slice(*bounds)])


def test_a_segment_or_an_overlap_changes_nothing() -> None:
    audio = noise(2503)
    options = SeparationOptions(segment_seconds=0.2, overlap=0.5)
    stems = run(audio, model_of(RunningMean()), options=options)
    assert torch.equal(stems["past"], expected(audio)["past"])


def test_a_network_called_itself_hears_a_track_of_one_chunk() -> None:
    model = RunningMean()
    chunk = torch.nn.functional.pad(noise(1000), (LOOK_AHEAD, 2 * LOOK_AHEAD))[None]
    estimates = model(chunk)[0, ..., LOOK_AHEAD:1000]
    assert model.lengths == [1000 + LOOK_AHEAD]
    assert torch.equal(estimates[0], expected(noise(1000))["past"][:, : 1000 - LOOK_AHEAD])


def test_sequential_chunks_meet() -> None:
    with pytest.raises(ValueError, match="sequential chunks meet"):
        ChunkPolicy(chunk_samples=10, overlap_samples=2, sequential=True, window="sum", tail="left")
