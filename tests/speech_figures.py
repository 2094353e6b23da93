"""How well speech is denoised, on the talk of `tests.audio.noisy_talk`.

    python -m tests.speech_figures                       # all models with a stem `speech`
    python -m tests.speech_figures -m dns48 -m FOLDER    # these

prints a Markdown table: SI-SDR in dB, DNSMOS (with the extra dnsmos), and the figures that were
measured with the models' own programs, SI-SDR and overall DNSMOS. Nothing is downloaded unless a
model is named.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import torch
from scipy.signal import resample_poly
from torch import Tensor

from stemsplit import Separator
from stemsplit.errors import StemsplitError
from stemsplit.evaluate.dnsmos import dnsmos, has_dnsmos
from stemsplit.evaluate.metrics import si_sdr
from stemsplit.hub.catalog import load_catalog
from tests.audio.noisy_talk import RATE, missing_recordings, noisy_talk

HEADINGS = ("", "SI-SDR", "overall", "voice", "background", "P.808", "elsewhere")

ELSEWHERE = {
    "clean": "3.43",
    "noisy": "4.97 dB, 2.10",
    "nsnet2": "11.7 dB, 2.97",
    "nsnet2_48k": "12.9 dB",
    "dtln": "13.7 dB, 2.89",
    "deepfilternet3": "13.8 dB, 3.23",
}
"""By the models' own programs, on the same mix and with the same resamplers."""


def figures(name: str, voice: Tensor, heard: Tensor, rate: int = RATE) -> tuple[str, ...]:
    """A row of the table about what is heard [1, T] in place of the voice, both at one rate."""
    ratio = si_sdr(voice, heard)
    quality = dnsmos([resampled(heard, rate, RATE)], sample_rate=RATE) if has_dnsmos() else None
    opinions = ["-"] * 4
    if quality is not None:
        values = (quality.overall, quality.signal, quality.background, quality.p808)
        opinions = [f"{value:.2f}" for value in values]
    return (name, f"{ratio:.2f} dB", *opinions, ELSEWHERE.get(name, "-"))


def denoised(
    name: str, voice: Tensor, mixture: Tensor, *, offline: bool
) -> tuple[Tensor, Tensor, int]:
    """The voice, and what a model makes of the mixture [1, T], at the model's own rate."""
    separator = Separator(name, stems=["speech"], device="cpu", offline=offline)
    rate = separator.model.sample_rate
    voice, mixture = (resampled(signal, RATE, rate) for signal in (voice, mixture))
    speech = separator.separate(mixture, sample_rate=rate)["speech"]
    return voice, torch.from_numpy(speech), rate


def resampled(signal: Tensor, from_rate: int, to_rate: int) -> Tensor:
    """With SciPy's filter, which published figures were measured with."""
    if from_rate == to_rate:
        return signal
    return torch.from_numpy(resample_poly(signal.numpy(), to_rate, from_rate, axis=-1)).float()


def rows(models: list[str]) -> Iterator[tuple[str, ...]]:
    voice, mixture = noisy_talk()
    yield figures("clean", voice, voice)
    yield figures("noisy", voice, mixture)
    known = [name for name, entry in load_catalog().items() if "speech" in (entry.stems or ())]
    for model in models or known:
        try:
            yield figures(model, *denoised(model, voice, mixture, offline=not models))
        except StemsplitError as error:
            yield (model, error.message, *[""] * (len(HEADINGS) - 2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("-m", "--model", action="append", default=[])
    models = parser.parse_args().model
    if missing := missing_recordings():
        parser.error(missing)
    for row in (HEADINGS, ["---"] * len(HEADINGS), *rows(models)):
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
