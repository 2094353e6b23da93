"""A real voice in real noise, and what takes the noise out, have the figures published for them."""

from __future__ import annotations

import pytest
from torch import Tensor

from stemsplit.errors import NotInstalledError
from stemsplit.evaluate.dnsmos import SpeechQuality, dnsmos, has_dnsmos
from stemsplit.evaluate.metrics import si_sdr
from tests.audio.noisy_talk import RATE, missing_recordings, noisy_talk
from tests.references import reference_module

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("weight_packages"),
    pytest.mark.skipif(bool(missing_recordings()), reason=missing_recordings()),
]


def rated(heard: Tensor) -> SpeechQuality:
    if not has_dnsmos():
        pytest.skip("needs DNSMOS: pip install -e '.[dnsmos]'")
    quality = dnsmos([heard], sample_rate=RATE)
    assert quality is not None
    return quality


def test_the_talk_itself() -> None:
    voice, mixture = noisy_talk()
    assert si_sdr(voice, mixture) == pytest.approx(4.97, abs=0.01)
    clean, noisy = rated(voice), rated(mixture)
    assert (clean.overall, clean.p808) == pytest.approx((3.43, 4.07), abs=0.006)
    assert (noisy.overall, noisy.p808) == pytest.approx((2.10, 2.33), abs=0.006)


@pytest.mark.parametrize(
    ("model", "ratio_db", "overall"),
    [("nsnet2", 11.72, 2.97), ("nsnet2_48k", 12.86, 3.04), ("deepfilternet3", 13.79, 3.23)],
)
def test_real_weights(model: str, ratio_db: float, overall: float) -> None:
    """SI-SDR is what the models' own programs reached, and DNSMOS, but for that of NSNet2 48k."""
    reference_module("scipy")
    from tests.speech_figures import denoised, resampled

    try:
        voice, speech, rate = denoised(model, *noisy_talk(), offline=True)
    except NotInstalledError as error:
        pytest.skip(str(error))
    assert si_sdr(voice, speech) == pytest.approx(ratio_db, abs=0.02)
    assert rated(resampled(speech, rate, RATE)).overall == pytest.approx(overall, abs=0.02)
