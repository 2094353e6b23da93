"""Shared layers against the reference's own, one by one."""

import pytest
import torch

from stemsplit.models.blocks.dconv import DConv, DConvConfig
from stemsplit.models.blocks.sequence import BLSTM, LocalState
from stemsplit.models.blocks.spectrogram import analyze, reflect_pad, synthesize
from stemsplit.models.blocks.standardize import standardize
from tests.models.parity import REQUIRED_DB, agreement_db, noise
from tests.references import reference_module

reference_layers = reference_module("demucs.demucs")


@pytest.mark.parametrize("num_steps", [1, 199, 200, 201, 300, 301, 450])
@pytest.mark.parametrize("skip", [False, True])
@torch.no_grad()
def test_blstm_equals_the_reference_on_both_sides_of_its_window(num_steps: int, skip: bool) -> None:
    reference = reference_layers.BLSTM(8, layers=2, max_steps=200, skip=skip)
    ours = BLSTM(8, num_layers=2, max_steps=200, skip=skip)
    ours.load_state_dict(reference.state_dict())
    x = noise(2, 8, num_steps)
    assert agreement_db(reference(x), ours(x)) > REQUIRED_DB


@pytest.mark.parametrize("num_steps", [1, 2, 50, 450])
@torch.no_grad()
def test_local_state_equals_the_reference(num_steps: int) -> None:
    reference = reference_layers.LocalState(16)
    for parameter in reference.parameters():
        parameter.normal_(std=0.5)  # the reference starts with hardly any decay
    ours = LocalState(16)
    ours.load_state_dict(reference.state_dict())
    x = noise(2, 16, num_steps)
    assert agreement_db(reference(x), ours(x)) > REQUIRED_DB


def test_impossible_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="10 features does not divide by 4 heads"):
        LocalState(10)
    with pytest.raises(ValueError, match="2 channels compressed by 4 leave none"):
        DConv(2, DConvConfig(depth=2, compress=4))


@pytest.mark.parametrize("num_samples", [1, 5, 1535, 1536, 1537, 2047, 2048, 2049, 9999])
def test_reflection_equals_the_reference_for_short_signals_too(num_samples: int) -> None:
    signal = noise(2, num_samples)
    left, right = 1536, 1536 + -num_samples % 1024
    expected = reference_module("demucs.hdemucs").pad1d(signal, (left, right), mode="reflect")
    assert torch.equal(reflect_pad(signal, left, right), expected)


@pytest.mark.parametrize("num_samples", [1, 255, 256, 257, 5000])
def test_synthesis_inverts_analysis_up_to_the_nyquist_bin(num_samples: int) -> None:
    # A smooth signal has next to nothing in the Nyquist bin, which analysis drops.
    mixture = torch.cumsum(noise(2, 2, num_samples), dim=-1) / 100
    spectrogram = analyze(mixture, n_fft=1024)
    assert spectrogram.shape == (2, 4, 512, -(-num_samples // 256))
    if num_samples >= 1024:  # shorter ones lose the outer frames, which matter there
        restored = synthesize(spectrogram, num_samples=num_samples)
        middle = slice(512, -512)
        assert agreement_db(mixture[..., middle], restored[..., middle]) > 40


def test_standardize_removes_mean_and_deviation_of_each_item() -> None:
    x = torch.stack([noise(3, 500), 7 + 5 * noise(3, 500, seed=1)])
    values, mean, std = standardize(x)
    torch.testing.assert_close(values.mean(dim=(1, 2)), torch.zeros(2), atol=1e-5, rtol=0)
    torch.testing.assert_close(values.std(dim=(1, 2)), torch.ones(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(values * std + mean, x, atol=1e-3, rtol=0)


def test_standardize_is_finite_for_silence_and_for_a_single_value() -> None:
    assert standardize(torch.zeros(2, 3, 10)).values.abs().max() == 0
    values, mean, std = standardize(torch.full((2, 1, 1), 3.0))
    assert values.abs().max() == 0
    assert mean.flatten().tolist() == [3, 3]
    assert std.abs().max() == 0
