"""The transform against the reference's wrappers and against its own definition."""

import math

import pytest
import torch

from stemsplit.dsp.stft import PadMode, istft, stft
from tests.references import reference_module

demucs = reference_module("demucs.spec")


@pytest.mark.parametrize(("n_fft", "hop_length"), [(4096, 1024), (256, 64), (64, 16)])
def test_equals_the_reference(n_fft: int, hop_length: int) -> None:
    signal = torch.randn(2, 3, 5 * n_fft + 7)
    spectrogram = stft(signal, n_fft=n_fft, hop_length=hop_length)
    torch.testing.assert_close(spectrogram, demucs.spectro(signal, n_fft, hop_length))
    length = 5 * n_fft
    restored = istft(spectrogram, hop_length=hop_length, num_samples=length)
    torch.testing.assert_close(restored, demucs.ispectro(spectrogram, hop_length, length))


def test_inverse_gives_the_signal_back() -> None:
    signal = torch.randn(2, 1000)
    spectrogram = stft(signal, n_fft=128, hop_length=32)
    assert spectrogram.shape == (2, 65, 1000 // 32 + 1)
    restored = istft(spectrogram, hop_length=32, num_samples=1000)
    # float32 round-off of two transforms
    torch.testing.assert_close(restored, signal, atol=1e-5, rtol=0)


def test_a_symmetric_window_is_the_one_that_a_network_had() -> None:
    signal = torch.randn(2, 1000, dtype=torch.float64)
    spectrogram = stft(signal, n_fft=128, hop_length=32, normalized=False, periodic=False)
    window = torch.hann_window(128, periodic=False, dtype=torch.float64)
    expected = torch.stft(signal, 128, 32, window=window, return_complex=True)
    torch.testing.assert_close(spectrogram, expected)
    restored = istft(spectrogram, hop_length=32, num_samples=1000, normalized=False, periodic=False)
    torch.testing.assert_close(restored, signal)


def test_a_sine_at_a_bin_has_the_amplitude_that_the_definition_gives() -> None:
    n_fft, bin_index = 256, 16
    time = torch.arange(4 * n_fft)
    signal = torch.cos(2 * math.pi * bin_index / n_fft * time)
    frame = stft(signal, n_fft=n_fft, hop_length=n_fft // 4)[:, 8]
    # Half the amplitude, times the sum of the Hann window (n_fft / 2), divided by sqrt(n_fft).
    assert frame[bin_index].abs().item() == pytest.approx(math.sqrt(n_fft) / 4, rel=1e-4)
    assert frame.abs().argmax() == bin_index


def test_works_in_double_precision_and_keeps_the_input() -> None:
    signal = torch.randn(300, dtype=torch.float64)
    before = signal.clone()
    spectrogram = stft(signal, n_fft=64, hop_length=16)
    assert spectrogram.dtype == torch.complex128
    restored = istft(spectrogram, hop_length=16, num_samples=300)
    torch.testing.assert_close(restored, signal, atol=1e-12, rtol=0)
    assert torch.equal(signal, before)


@pytest.mark.parametrize("pad_mode", ["reflect", "constant"])
@pytest.mark.parametrize("hop_length", [32, 48, 64])
def test_the_transform_without_scaling_is_torch_s(pad_mode: PadMode, hop_length: int) -> None:
    signal = torch.randn(2, 960)
    options = {"n_fft": 128, "hop_length": hop_length}
    spectrogram = stft(signal, **options, normalized=False, pad_mode=pad_mode)
    expected = torch.stft(
        signal,
        **options,
        window=torch.hann_window(128),
        pad_mode=pad_mode,
        return_complex=True,
    )
    torch.testing.assert_close(spectrogram, expected)
    torch.testing.assert_close(
        spectrogram, stft(signal, **options, pad_mode=pad_mode) * math.sqrt(128)
    )
    restored = istft(spectrogram, hop_length=hop_length, num_samples=960, normalized=False)
    torch.testing.assert_close(restored, signal, atol=1e-5, rtol=0)
