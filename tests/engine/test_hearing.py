"""A part of an ensemble that takes a stem of another part apart, in place of the mixture."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.engine.ensemble import Ensemble, EnsemblePart
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.options import SeparationOptions
from stemsplit.models.spec import InputScaling
from tests.engine.toy_models import EdgeModel, bag_of, model_of
from tests.engine.tracks import noise, run

SHORT = ChunkPolicy(chunk_samples=1000, overlap_samples=250)
LONG = ChunkPolicy(chunk_samples=2700, overlap_samples=900, context_samples=50)
SECOND_STEMS = ("drums", "bass")


def first(**settings: object) -> EdgeModel:
    settings = {"policy": SHORT, "scaling": InputScaling(), **settings}
    return EdgeModel((0.3, 0.6), stems=["vocals", "rest"], **settings)  # type: ignore[arg-type]


def second(**settings: object) -> EdgeModel:
    return EdgeModel((0.5, 0.4), stems=SECOND_STEMS, **{"policy": LONG, **settings})  # type: ignore[arg-type]


def ensemble(one: EdgeModel | None = None, other: EdgeModel | None = None) -> Ensemble:
    return Ensemble(
        name="both",
        stems=(*SECOND_STEMS, "vocals"),
        parts=(
            EnsemblePart(bag=bag_of(one or first()), weights={"vocals": 1.0}),
            EnsemblePart(
                bag=bag_of(other or second()),
                weights=dict.fromkeys(SECOND_STEMS, 1.0),
                hears="rest",
            ),
        ),
    )


def one_after_the_other(audio: Tensor, sample_rate: int = 44100) -> dict[str, Tensor]:
    """The same by two runs."""
    before = run(audio, model_of(first()), sample_rate=sample_rate)
    return {
        **run(before["rest"], model_of(second()), sample_rate=sample_rate),
        "vocals": before["vocals"],
    }


@pytest.mark.parametrize("length", [0, 1, 999, 1000, 1001, 2701, 30_000])
@pytest.mark.parametrize("num_channels", [1, 2])
def test_it_is_what_two_runs_would_give(length: int, num_channels: int) -> None:
    audio = noise(length, num_channels)
    together, apart = run(audio, ensemble()), one_after_the_other(audio)
    assert tuple(together) == (*SECOND_STEMS, "vocals")
    for stem, samples in together.items():
        assert torch.equal(samples, apart[stem])


def test_each_channel_group_hears_its_own() -> None:
    audio = noise(9000, 6)
    together, apart = run(audio, ensemble()), one_after_the_other(audio)
    low = 3  # goes to one stem as it is
    for stem, samples in together.items():
        kept = [channel for channel in range(6) if channel != low]
        assert torch.equal(samples[kept], apart[stem][kept])


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.2), (0.31, 0.4), (1.2, 2.05), (1.9, None)])
@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_an_excerpt_sounds_as_it_does_in_the_whole_song(
    start: float, end: float | None, sample_rate: int
) -> None:
    audio = noise(2 * sample_rate + 5000)
    whole = run(audio, ensemble(), sample_rate=sample_rate)
    part = run(
        audio,
        ensemble(),
        sample_rate=sample_rate,
        excerpt=Excerpt(start_seconds=start, end_seconds=end),
    )
    stop = None if end is None else round(end * sample_rate)
    for stem, samples in part.items():
        expected = whole[stem][:, round(start * sample_rate) : stop]
        torch.testing.assert_close(samples, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("stems", [("drums",), ("vocals",), ("bass", "vocals")])
def test_single_stems_are_the_same(stems: tuple[str, ...]) -> None:
    audio = noise(9000)
    whole = run(audio, ensemble())
    some = run(audio, ensemble(), options=SeparationOptions(stems=stems))
    assert tuple(some) == stems
    for stem, samples in some.items():
        assert torch.equal(samples, whole[stem])


def test_only_what_is_needed_runs() -> None:
    one, other = first(), second()
    run(noise(9000), ensemble(one, other), options=SeparationOptions(stems=("vocals",)))
    assert one.lengths
    assert not other.lengths


def test_what_cannot_hear_a_stem_is_refused() -> None:
    for other in (
        second(scaling=InputScaling()),  # statistics of what is not there yet
        second(sample_rate=22050),
        second(residual_stem="other"),
    ):
        with pytest.raises(ValueError, match=r"toy (cannot hear rest of|needs the mixture)"):
            ensemble(other=other)
    with pytest.raises(ValueError, match="toy cannot hear rest of toy"):
        ensemble(EdgeModel((0.3,), stems=["vocals"], residual_stem="rest"))
