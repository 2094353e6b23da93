"""DNSMOS is that of its authors' program, to which golden vectors bear witness."""

from __future__ import annotations

from dataclasses import astuple
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from stemsplit.audio.resample import resample_blocks
from stemsplit.errors import CheckpointError, UsageError
from stemsplit.evaluate import dnsmos as module
from stemsplit.evaluate.dnsmos import (
    PACKAGE,
    RATE,
    SpeechQuality,
    check_dnsmos,
    dnsmos,
    p808_features,
)
from tests.golden.make_dnsmos import NUM_SAMPLES, noisy_voice
from tests.references import reference_module

GOLDEN = Path(__file__).parents[1] / "golden" / "dnsmos.npz"

SECOND = SpeechQuality(signal=1.0, background=2.0, overall=3.0, p808=4.0)


@pytest.fixture
def networks(weight_packages: None) -> None:
    del weight_packages
    reference_module("onnxruntime")
    try:
        metadata.distribution(PACKAGE.name)
    except metadata.PackageNotFoundError:
        pytest.skip(f"needs {PACKAGE}: pip install -e '.[dnsmos]'")


def voice(num_samples: int) -> Tensor:
    return torch.from_numpy(noisy_voice(num_samples))[None]


@pytest.mark.slow
@pytest.mark.usefixtures("networks")
@pytest.mark.parametrize("num_samples", NUM_SAMPLES)
def test_scores_are_those_of_the_authors(num_samples: int) -> None:
    """To the rounding of float32 in features and networks; scores are from 1 to 5."""
    quality = dnsmos([voice(num_samples)], sample_rate=RATE)
    assert quality is not None
    expected = np.load(GOLDEN)[str(num_samples)]
    assert astuple(quality) == pytest.approx(expected, abs=2e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("networks")
def test_channels_and_rates_are_brought_to_16_khz_mono() -> None:
    mono = voice(100_000)
    stereo = torch.cat([1.5 * mono, 0.5 * mono])
    slow = torch.cat(list(resample_blocks([mono], from_rate=32_000, to_rate=RATE)), dim=-1)
    expected = dnsmos([slow], sample_rate=RATE)
    quality = dnsmos(stereo.split(30_000, dim=-1), sample_rate=32_000)
    assert expected is not None
    assert quality is not None
    assert astuple(quality) == pytest.approx(astuple(expected), abs=1e-4)


def test_mel_features_are_those_of_librosa() -> None:
    librosa = reference_module("librosa")
    signal = noisy_voice(144_000)
    signal[40_000:60_000] = 0
    mels = librosa.feature.melspectrogram(y=signal, sr=RATE, n_fft=321, hop_length=160, n_mels=120)
    expected = (librosa.power_to_db(mels, ref=np.max) + 40) / 40
    found = p808_features(torch.from_numpy(signal)).numpy()
    assert found.shape == (900, 120)
    assert np.abs(found - expected.T).max() < 1e-4


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The windows that the networks would hear."""
    windows: list[Tensor] = []

    def score(window: Tensor) -> SpeechQuality:
        windows.append(window)
        return SECOND

    monkeypatch.setattr(module, "check_dnsmos", lambda: None)
    monkeypatch.setattr(module, "_score", score)
    return windows


@pytest.mark.parametrize("block_samples", [1_000, 16_000, 144_160, 10**6])
@pytest.mark.parametrize("num_samples", [70_000, 144_159, 144_160, 175_999, 176_000, 500_000])
def test_windows_do_not_depend_on_blocks(
    heard: list[Tensor], block_samples: int, num_samples: int
) -> None:
    signal = torch.arange(1.0, num_samples + 1)[None]
    assert dnsmos(signal.split(block_samples, dim=-1), sample_rate=RATE) == SECOND
    repeated = signal[0]
    while len(repeated) < 144_160:
        repeated = repeated.repeat(2)
    # The rule as the authors' program has it.
    starts = [s for s in range(int(len(repeated) // RATE - 9.01) + 1) if s not in range(7, 24)]
    assert len(heard) == len(starts)
    for start, window in zip(starts, heard, strict=True):
        assert torch.equal(window, repeated[start * RATE : start * RATE + 144_160])


def test_a_longer_hop_leaves_windows_out(heard: list[Tensor]) -> None:
    dnsmos([torch.arange(1.0, 500_000)[None]], sample_rate=RATE, hop_seconds=3)
    assert [window[0].item() // RATE for window in heard] == [0, 3, 6]


@pytest.mark.parametrize("num_samples", [0, 100, 144_160, 400_000])
def test_silence_has_no_quality(heard: list[Tensor], num_samples: int) -> None:
    del heard
    assert dnsmos([torch.zeros(2, num_samples)], sample_rate=RATE) is None
    assert dnsmos([], sample_rate=RATE) is None


def test_what_is_missing_is_named_with_the_line_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "check_package", lambda name: name)
    with pytest.raises(UsageError, match=r"speechmos==0\.0\.1\.1.*stemsplit\[dnsmos\]"):
        check_dnsmos()
    with pytest.raises(UsageError, match="speechmos"):
        dnsmos([torch.ones(1, 10)], sample_rate=RATE)


def test_a_network_that_was_changed_is_not_run(
    tmp_path: Path, weight_packages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    del weight_packages
    info = tmp_path / "speechmos-0.0.1.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: speechmos\nVersion: 0.0.1.1\n")
    names = [f"speechmos/dnsmos_models/{name}.onnx" for name in ("sig_bak_ovr", "model_v8")]
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in names))
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"another")
    monkeypatch.syspath_prepend(str(tmp_path))
    module._network.cache_clear()
    reference_module("onnxruntime")
    with pytest.raises(CheckpointError, match="is not what the catalogue"):
        dnsmos([torch.ones(1, 10)], sample_rate=RATE)
