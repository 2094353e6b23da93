"""Songs with more than two channels."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from stemsplit.audio.info import StatsAccumulator
from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.ensemble import Ensemble
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.scan import Scaling
from stemsplit.engine.separate import Progress
from stemsplit.errors import AudioReadError, UnknownStemError
from stemsplit.models.spec import InputScaling
from tests.engine.toy_models import STEMS, EdgeModel, GainModel, model_of
from tests.engine.tracks import Track, noise, run

SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def separate(
    audio: Tensor,
    channels: tuple[str, ...] = SURROUND,
    *,
    model: Ensemble | None = None,
    sample_rate: int = 44100,
    options: SeparationOptions | None = None,
) -> tuple[Track, dict[str, Tensor]]:
    mixture = replace(Mixture.from_array(audio, sample_rate), channels=channels)
    track = Track(
        mixture,
        model or model_of(EdgeModel(scaling=InputScaling())),
        choose_runtime(device="cpu"),
        options or SeparationOptions(),
    )
    return track, track.stems()


@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_each_pair_is_separated_as_if_it_were_the_song(sample_rate: int) -> None:
    audio = noise(5432, num_channels=6) * torch.tensor([1, 1, 0.1, 1, 0.01, 0.01])[:, None]
    track, stems = separate(audio, sample_rate=sample_rate)
    assert track.plan.channels == SURROUND
    for rows in ([0, 1], [2], [4, 5]):
        alone = run(
            audio[rows], model_of(EdgeModel(scaling=InputScaling())), sample_rate=sample_rate
        )
        for stem in STEMS:
            # The resampler converts all rows at once, and the sums depend on how many there are.
            assert torch.allclose(stems[stem][rows], alone[stem], atol=2e-6)


def test_low_frequency_effects_go_to_the_bass_untouched() -> None:
    audio = noise(3000, num_channels=6)
    track, stems = separate(audio)
    for stem in STEMS:
        expected = audio[3] if stem == "bass" else torch.zeros(3000)
        assert torch.equal(stems[stem][3], expected)
    assert track.warnings == [
        "6 channels were separated as FL+FR, FC, BL+BR; LFE went to bass as it is."
    ]


def test_low_frequency_effects_go_where_they_are_told() -> None:
    audio = noise(3000, num_channels=6)
    for options, owner in (
        (SeparationOptions(lfe="drums"), "drums"),
        (SeparationOptions(lfe="drums", stems=("drums", "bass")), "drums"),
        (SeparationOptions(two_stems="vocals"), "no_vocals"),
        (SeparationOptions(two_stems="bass"), "bass"),
    ):
        _, stems = separate(audio, options=options)
        for stem, samples in stems.items():
            assert torch.equal(samples[3], audio[3]) == (stem == owner)
            assert samples[3].any() == (stem == owner)
    with pytest.raises(UnknownStemError, match="no stem 'kick'"):
        separate(audio, options=SeparationOptions(lfe="kick"))


@pytest.mark.parametrize(
    ("stems", "owner"), [(("drums", "other"), "other"), (("music", "vocals"), "music")]
)
def test_a_model_without_bass_has_another_home_for_them(stems: tuple[str, ...], owner: str) -> None:
    model = GainModel((0.5, 0.5))
    model.spec = replace(model.spec, stems=stems)
    track, separated = separate(noise(2000, num_channels=6), model=model_of(model))
    assert separated[owner][3].any()
    assert track.warnings[0].endswith(f"LFE went to {owner} as it is.")


@pytest.mark.parametrize("num_channels", [3, 4, 5, 7, 8, 9, 16, 32])
def test_nothing_is_dropped(num_channels: int) -> None:
    audio = noise(2500, num_channels=num_channels)
    stems = run(audio, model_of(GainModel()))
    assert torch.allclose(sum(stems.values()), audio, atol=1e-6)
    options = SeparationOptions(two_stems="vocals", residual=True)
    outputs = run(audio, model_of(EdgeModel()), options=options)
    assert torch.allclose(outputs["vocals"] + outputs["no_vocals"], audio, atol=1e-6)


def test_an_unknown_layout_is_a_row_of_pairs_and_said() -> None:
    track, _ = separate(noise(1000, num_channels=9), tuple("123456789"))
    assert track.warnings == [
        "9 channels of an unknown layout were separated as 1+2, 3+4, 5+6, 7+8, 9."
    ]


def test_too_many_channels_are_an_error() -> None:
    with pytest.raises(AudioReadError, match=r"40 channels\. Up to 32"):
        run(noise(100, num_channels=40), model_of(GainModel()))


def test_progress_and_residual_count_all_channels() -> None:
    seen: list[Progress] = []
    model = GainModel((0.5, 0.2, 0.1, 0.1))
    track = Track(
        Mixture.from_array(noise(5432, num_channels=6), 44100),
        model_of(model),
        choose_runtime(device="cpu"),
        SeparationOptions(),
        on_progress=seen.append,
    )
    for _ in track.blocks():
        pass
    assert [progress.num_done for progress in seen] == list(range(1, seen[-1].num_chunks + 1))
    assert seen[-1].num_chunks == 3 * 8
    # Five channels leave a tenth over, the LFE nothing: 10 log10(5/6 * 0.01) for equal levels.
    assert track.checks.residual_db == pytest.approx(-20.8, abs=0.2)


def test_a_model_of_one_channel_takes_any_song() -> None:
    model = GainModel()
    model.spec = replace(model.spec, num_channels=1)
    audio = noise(3000, num_channels=2)
    stems = run(audio, model_of(model))
    assert torch.allclose(sum(stems.values()), audio, atol=1e-6)


@pytest.mark.parametrize("gain", [1.0, 1e-3, 0.0])
def test_scaling_is_the_formula_that_a_network_was_trained_with(gain: float) -> None:
    mixture = gain * (noise(5000) + 0.2)  # [C, T]
    stats = StatsAccumulator()
    for block in mixture.split(777, dim=-1):
        stats.add(block)
    mono = mixture.mean(dim=0)
    mean, std = mono.mean(), mono.std()

    demucs = Scaling.of(stats.result(), InputScaling())
    assert torch.allclose(demucs.apply(mixture), (mixture - mean) / (1e-8 + std), atol=1e-5)
    assert torch.allclose(demucs.undo(mixture), mixture * std + mean)

    denoiser = InputScaling(centred=False, floor=1e-3, floor_returns=False)
    scaling = Scaling.of(stats.result(), denoiser)
    assert torch.allclose(scaling.apply(mixture), mixture / (1e-3 + std), atol=1e-5)
    assert torch.allclose(scaling.undo(mixture), mixture * std)


@pytest.mark.parametrize("gain", [1.0, 1e-3, 1e-7, 0.0])
def test_a_track_is_brought_to_a_peak(gain: float) -> None:
    mixture = gain * noise(5000)  # [C, T]
    stats = StatsAccumulator()
    for block in mixture.split(777, dim=-1):
        stats.add(block)
    wanted = InputScaling(level="peak", target=0.95, centred=False, floor=0.0)
    scaling = Scaling.of(stats.result(), wanted)
    scaled = scaling.apply(mixture)
    assert float(scaled.abs().max()) == pytest.approx(0.95 if gain else 0.0)
    assert torch.allclose(scaling.undo(scaled), mixture, rtol=1e-6, atol=0)


def test_statistics_are_of_the_mono_mix_or_of_all_samples() -> None:
    block = noise(300)
    for statistics, wanted in (("mono", block.mean(dim=0)), ("samples", block.flatten())):
        stats = StatsAccumulator()
        stats.add(InputScaling(statistics=statistics).measured(block))  # type: ignore[arg-type]
        assert stats.result().std == pytest.approx(float(wanted.std()))
