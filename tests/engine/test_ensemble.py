"""Stems from several bags in one pass over the song."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import torch
from torch import Tensor

from stemsplit.device.runtime import choose_runtime
from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.dsp.overlap_add import StemBlock, aligned
from stemsplit.engine.ensemble import Ensemble, EnsemblePart
from stemsplit.engine.excerpt import WHOLE, Excerpt
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.separate import Progress
from stemsplit.models.spec import InputScaling, Model
from tests.engine.toy_models import STEMS, EdgeModel, GainModel, bag_of, model_of
from tests.engine.tracks import Track, noise, run

LONG = ChunkPolicy(chunk_samples=2700, overlap_samples=900, context_samples=50)


def ensemble(
    parts: Mapping[Model, Mapping[str, float]], stems: tuple[str, ...] = STEMS
) -> Ensemble:
    return Ensemble(
        name="ensemble",
        stems=stems,
        parts=tuple(
            EnsemblePart(bag=bag_of(model), weights=weights) for model, weights in parts.items()
        ),
    )


def vocals_model(**settings: object) -> EdgeModel:
    return EdgeModel((0.7,), stems=["vocals"], residual_stem="other", policy=LONG, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("length", [0, 1, 5432])
@pytest.mark.parametrize("sample_rate", [44100, 22050])
def test_each_stem_is_that_of_its_own_model(length: int, sample_rate: int) -> None:
    audio = noise(length)
    rest, vocals = EdgeModel(scaling=InputScaling()), vocals_model()
    both = ensemble(
        {rest: dict.fromkeys(STEMS[:3], 1.0), vocals: {"vocals": 1.0}},
    )
    stems = run(audio, both, sample_rate=sample_rate)
    alone = run(audio, model_of(EdgeModel(scaling=InputScaling())), sample_rate=sample_rate)
    theirs = run(audio, model_of(vocals_model()), sample_rate=sample_rate)
    assert tuple(stems) == STEMS
    for stem in STEMS[:3]:
        assert torch.equal(stems[stem], alone[stem])
    assert torch.equal(stems["vocals"], theirs["vocals"])


def test_models_of_other_rates_and_channels_are_averaged_by_their_shares() -> None:
    audio = noise(9000)
    slow = GainModel((1.0, 1.0, 1.0, 1.0), sample_rate=22050, policy=LONG)
    fast = GainModel((3.0, 3.0, 3.0, 3.0), scaling=InputScaling())
    both = ensemble({slow: dict.fromkeys(STEMS, 0.25), fast: dict.fromkeys(STEMS, 0.75)})
    stems = run(audio, both)
    low = run(audio, model_of(GainModel((1.0,) * 4, sample_rate=22050, policy=LONG)))
    high = run(audio, model_of(GainModel((3.0,) * 4, scaling=InputScaling())))
    for stem in STEMS:
        assert torch.allclose(stems[stem], 0.25 * low[stem] + 0.75 * high[stem], atol=1e-6)


def test_a_residual_stem_may_take_part() -> None:
    audio = noise(5000)
    vocals = vocals_model()
    both = ensemble({vocals: {"other": 0.5, "vocals": 1.0}, GainModel(): {"other": 0.5}}, STEMS[2:])
    stems = run(audio, both)
    other = run(audio, model_of(vocals_model()))["other"]
    assert torch.allclose(stems["other"], 0.5 * other + 0.1 * audio, atol=1e-6)


def test_only_what_is_wanted_runs_and_each_network_runs_once() -> None:
    rest, vocals = GainModel(), vocals_model()
    both = ensemble({rest: dict.fromkeys(STEMS, 0.5), vocals: {"vocals": 0.5}})
    options = SeparationOptions(stems=("drums",))
    run(noise(5000), both, options=options)
    assert vocals.lengths == []
    num_chunks = len(rest.lengths)
    run(noise(5000), both, options=SeparationOptions(two_stems="vocals", residual=True))
    assert len(rest.lengths) == 2 * num_chunks
    assert vocals.lengths


def test_the_song_is_decoded_twice_however_many_models_there_are() -> None:
    audio, num_opened = noise(5000), 0

    def open_blocks() -> Iterator[Tensor]:
        nonlocal num_opened
        num_opened += 1
        return iter(audio.split(700, dim=-1))

    seen: list[Progress] = []
    both = ensemble({GainModel(): dict.fromkeys(STEMS[:3], 1.0), vocals_model(): {"vocals": 1.0}})
    track = Track(
        Mixture("x", 44100, ("FL", "FR"), open_blocks),
        both,
        choose_runtime(device="cpu"),
        SeparationOptions(),
        on_progress=seen.append,
    )
    assert sum(block.stems.shape[-1] for block in track.blocks()) == 5000
    assert num_opened == 2
    assert [progress.num_done for progress in seen] == list(range(1, 7 + 3 + 1))
    assert seen[-1].share == 1.0


@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_a_part_of_a_song_sounds_as_in_the_whole(sample_rate: int) -> None:
    audio = noise(60_000)

    def stems(excerpt: Excerpt = WHOLE) -> dict[str, Tensor]:
        both = ensemble(
            {EdgeModel(): dict.fromkeys(STEMS[:3], 1.0), vocals_model(): {"vocals": 1.0}}
        )
        return run(audio, both, sample_rate=sample_rate, excerpt=excerpt)

    whole = stems()
    start, end = 50_000 / sample_rate, 55_000 / sample_rate
    part = stems(Excerpt(start_seconds=start, end_seconds=end))
    for stem in STEMS:
        assert torch.allclose(part[stem], whole[stem][:, 50_000:55_000], atol=2e-6)


def test_low_channels_are_in_one_stem_only() -> None:
    audio = noise(3000, num_channels=6)
    both = ensemble({GainModel(): dict.fromkeys(STEMS, 0.5), vocals_model(): {"other": 0.5}})
    both = Ensemble(name="x", stems=STEMS, parts=both.parts)
    for stem, samples in run(audio, both).items():
        expected = audio[3] if stem == "bass" else torch.zeros(3000)
        assert torch.equal(samples[3], expected)


def stream(*stops: int) -> Iterator[StemBlock]:
    start = 0
    for stop in stops:
        yield StemBlock(start, torch.arange(float(start), stop)[None, None])
        start = stop


def test_streams_are_cut_to_begin_and_end_together() -> None:
    blocks = list(aligned([stream(3, 4, 10), stream(5, 10), stream(10)]))
    assert [(pair[0].start, pair[0].stop) for pair in blocks] == [(0, 3), (3, 4), (4, 5), (5, 10)]
    for pair in blocks:
        expected = torch.arange(float(pair[0].start), pair[0].stop)
        for block in pair:
            assert block.start == pair[0].start
            assert torch.equal(block.stems[0, 0], expected)
    assert list(aligned([stream(), stream()])) == []
    with pytest.raises(ValueError, match="do not end together"):
        list(aligned([stream(3), stream(3, 4)]))
