"""DNSMOS of a real voice is what its authors' program said, with and without real noise."""

from __future__ import annotations

import pytest

from stemsplit.evaluate.dnsmos import SpeechQuality, dnsmos, has_dnsmos
from stemsplit.evaluate.metrics import si_sdr
from tests.audio.noisy_talk import RATE, missing_recordings, noisy_talk


@pytest.mark.slow
@pytest.mark.usefixtures("weight_packages")
@pytest.mark.skipif(bool(missing_recordings()), reason=missing_recordings())
def test_a_noisy_talk() -> None:
    if not has_dnsmos():
        pytest.skip("needs DNSMOS: pip install -e '.[dnsmos]'")
    voice, mixture = noisy_talk()
    assert si_sdr(voice, mixture) == pytest.approx(4.97, abs=0.01)
    clean, noisy = (dnsmos([heard], sample_rate=RATE) for heard in (voice, mixture))
    assert isinstance(clean, SpeechQuality)
    assert isinstance(noisy, SpeechQuality)
    assert clean.overall == pytest.approx(3.43, abs=0.005)
    assert clean.p808 == pytest.approx(4.07, abs=0.006)
    # The noise of those figures was resampled by another program.
    assert noisy.overall == pytest.approx(2.10, abs=0.02)
    assert noisy.p808 == pytest.approx(2.33, abs=0.02)
