from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from stemsplit.audio.decode.damage import Damage
from stemsplit.device.runtime import choose_runtime
from stemsplit.dsp.chunking import ChunkPolicy
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.separate import Progress
from stemsplit.errors import AudioReadError
from stemsplit.models.spec import InputScaling
from stemsplit.stages import Stage
from tests.engine.toy_models import POLICY, STEMS, EdgeModel, GainModel, model_of
from tests.engine.tracks import Track, noise, run

LENGTHS = (0, 1, 999, 1000, 1001, 5432)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("scaling", [None, InputScaling()], ids=["none", "track"])
def test_stems_of_a_model_that_takes_nothing_away_sum_to_the_mixture(
    length: int, scaling: InputScaling | None
) -> None:
    audio = noise(length)
    model = GainModel(scaling=scaling)
    stems = run(audio, model_of(model))
    assert tuple(stems) == STEMS
    total = sum(stems.values())
    mean = audio.mean() if length and scaling else 0.0
    # Denormalising adds the track's mean to each of the four stems, as the reference does.
    assert torch.allclose(total, audio + 3 * mean, atol=2e-6)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("fixed", [False, True])
def test_batches_do_not_change_a_bit(length: int, fixed: bool) -> None:
    policy = replace(POLICY, fixed_length=fixed)
    audio = noise(length)
    one = run(audio, model_of(EdgeModel(policy=policy)))
    model = EdgeModel(policy=policy)
    four = run(audio, model_of(model), batch_size=4)
    for stem in STEMS:
        assert torch.equal(one[stem], four[stem])
    if length == 5432:
        assert max(model.batch_sizes) == 4


def test_streamed_equals_a_plain_loop_over_the_whole_track() -> None:
    audio = noise(5432)
    model = EdgeModel()
    expected = torch.zeros(4, 2, 5432)
    weights = torch.zeros(5432)
    window = torch.cat([torch.arange(1.0, 501), torch.arange(500.0, 0, -1)]) / 500
    for start in range(0, 5432, 750):
        chunk = audio[None, :, start : start + 1000]
        size = chunk.shape[-1]
        expected[..., start : start + size] += window[:size] * model(chunk)[0]
        weights[start : start + size] += window[:size]
    stems = run(audio, model_of(EdgeModel()))
    for row, stem in enumerate(STEMS):
        assert torch.allclose(stems[stem], (expected / weights)[row], atol=1e-6)


def test_the_size_of_the_blocks_that_come_in_does_not_matter() -> None:
    audio = noise(5432)
    results = []
    for size in (17, 1000, 9999):

        def open_blocks(size: int = size) -> Iterator[Tensor]:
            return iter(audio.split(size, dim=-1))

        mixture = Mixture("x", 48000, ("FL", "FR"), open_blocks)
        track = Track(
            mixture, model_of(EdgeModel()), choose_runtime(device="cpu"), SeparationOptions()
        )
        results.append(torch.cat([block.stems for block in track.blocks()], dim=-1))
    assert results[0].shape == (4, 2, 5432)
    for result in results[1:]:
        assert torch.allclose(result, results[0], atol=1e-6)


@pytest.mark.parametrize("sample_rate", [8000, 22050, 48000, 96000])
def test_the_outputs_have_the_sources_rate_and_exact_length(sample_rate: int) -> None:
    for length in (0, 1, 7777):
        stems = run(noise(length), model_of(GainModel()), sample_rate=sample_rate)
        assert {stem.shape for stem in stems.values()} == {(2, length)}


def test_another_output_rate_can_be_asked_for() -> None:
    options = SeparationOptions(two_stems="vocals")
    stems = run(
        noise(48000),
        model_of(GainModel()),
        sample_rate=48000,
        options=options,
        output_rate="model",
    )
    assert stems["vocals"].shape == stems["no_vocals"].shape == (2, 44100)


def test_mono_stays_mono() -> None:
    audio = noise(3000, num_channels=1)
    stems = run(audio, model_of(GainModel()))
    assert stems["drums"].shape == (1, 3000)
    assert torch.allclose(stems["drums"], 0.4 * audio, atol=1e-6)


def test_silence_in_silence_out() -> None:
    stems = run(torch.zeros(2, 3000), model_of(GainModel(scaling=InputScaling())))
    assert all(not stem.any() for stem in stems.values())


def test_a_constant_offset_stays_finite() -> None:
    stems = run(torch.full((2, 3000), 0.3), model_of(GainModel(scaling=InputScaling())))
    assert all(torch.isfinite(stem).all() for stem in stems.values())


@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_a_stem_and_its_complement_are_the_mixture(sample_rate: int) -> None:
    audio = noise(20_000)
    options = SeparationOptions(two_stems="vocals")
    stems = run(audio, model_of(EdgeModel()), sample_rate=sample_rate, options=options)
    assert list(stems) == ["vocals", "no_vocals"]
    assert torch.allclose(stems["vocals"] + stems["no_vocals"], audio, atol=1e-6)


def test_the_complement_by_sum_is_the_other_stems() -> None:
    audio = noise(4000)
    both = SeparationOptions(two_stems="vocals", complement="sum")
    stems = run(audio, model_of(EdgeModel()))
    summed = run(audio, model_of(EdgeModel()), options=both)
    others = stems["drums"] + stems["bass"] + stems["other"]
    assert torch.allclose(summed["no_vocals"], others, atol=1e-6)
    alone = replace(both, complement="none")
    assert list(run(audio, model_of(EdgeModel()), options=alone)) == ["vocals"]


def test_the_residual_is_what_the_stems_leave_over() -> None:
    audio = noise(4000)
    options = SeparationOptions(stems=("bass",), residual=True)
    runtime = choose_runtime(device="cpu")
    model = GainModel((0.5, 0.2, 0.1, 0.1))
    track = Track(Mixture.from_array(audio, 44100), model_of(model), runtime, options)
    samples = torch.cat([block.stems for block in track.blocks()], dim=-1)
    assert [output.name for output in track.plan.outputs] == ["bass", "residual"]
    assert torch.allclose(samples[1], 0.1 * audio, atol=1e-6)
    assert track.checks.residual_db == pytest.approx(-20, abs=1e-3)


def test_progress_counts_every_chunk_once() -> None:
    seen: list[Progress] = []
    track = Track(
        Mixture.from_array(noise(5432), 44100),
        model_of(GainModel(), GainModel()),
        choose_runtime(device="cpu", batch_size=3),
        SeparationOptions(shifts=2),
        on_progress=seen.append,
    )
    for _ in track.blocks():
        pass
    assert [progress.num_done for progress in seen] == list(range(1, seen[-1].num_chunks + 1))
    assert seen[-1].share == 1.0


def test_a_header_that_promises_more_is_a_warning() -> None:
    damage = Damage(num_samples=44_100, missing_samples=44_100)
    mixture = replace(Mixture.from_array(noise(44_100), 44_100), damage=damage, name="cut.mp3")
    track = Track(mixture, model_of(GainModel()), choose_runtime(device="cpu"), SeparationOptions())
    assert "cut.mp3 seems cut off: its header promises 2.00 s, 1.00 s" in track.warnings[0]


def test_a_segment_beyond_the_models_length_is_used_as_far_as_it_goes_and_said() -> None:
    policy = ChunkPolicy(
        chunk_samples=44100, overlap_samples=11025, fixed_length=True, max_chunk_samples=44100
    )
    model = GainModel(policy=policy)
    options = SeparationOptions(segment_seconds=7.0)
    track = Track(
        Mixture.from_array(noise(100_000), 44100),
        model_of(model),
        choose_runtime(device="cpu"),
        options,
    )
    for _ in track.blocks():
        pass
    assert track.warnings == ["`segment=7` is longer than toy allows: 1 s is used."]
    assert set(model.lengths) == {44100}


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (torch.zeros(2, 3, 4), "shape"),
        (torch.zeros(2, 3, dtype=torch.int16), "int16"),
        (torch.tensor([[0.0, float("nan")]]), "NaN or infinite"),
        (torch.zeros(0, 5), "shape"),
    ],
)
def test_an_array_that_is_no_audio_is_refused(array: Tensor, message: str) -> None:
    with pytest.raises(AudioReadError, match=message):
        Mixture.from_array(array, 44100)


def test_the_first_pass_is_heard_before_any_chunk() -> None:
    heard: list[Stage | Progress] = []
    track = Track(
        Mixture.from_array(noise(200_000), 44100),
        model_of(GainModel()),
        choose_runtime(device="cpu"),
        SeparationOptions(),
        on_progress=heard.append,
        on_stage=heard.append,
    )
    assert [stage.num_done for stage in heard if isinstance(stage, Stage)] == [
        *(65_536, 131_072, 196_608, 200_000),
    ]
    assert {(each.kind, each.share) for each in heard if isinstance(each, Stage)} == {
        ("scanning", None)  # an array has no header that says how long it is
    }
    for _ in track.blocks():
        pass
    assert all(isinstance(each, Progress) for each in heard[4:])
