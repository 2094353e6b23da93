"""What listeners would say of speech, guessed by the networks of DNSMOS; no true signal is needed.

C. Reddy, V. Gopal, R. Cutler, "DNSMOS P.835: A non-intrusive perceptual objective speech quality
metric to evaluate noise suppressors", ICASSP 2022, and the same authors' DNSMOS of ICASSP 2021 for
P.808. The networks lie in the package `speechmos`, of which nothing is imported.

    seconds  0         9.01
             ├──────────┤            Windows of 9.01 s begin at every whole second, as long as 10 s
              ├──────────┤           are left there; shorter speech is repeated until it is long
               ├──────────┤          enough. The figures are means over the windows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stemsplit.audio.resample import resample_blocks
from stemsplit.dsp.mel import mel_filters
from stemsplit.errors import UsageError
from stemsplit.evaluate.speech import check_package
from stemsplit.hub.distributions import Distribution, PackagedFiles, installed_file
from stemsplit.hub.transfer import Connection

PACKAGE = Distribution("speechmos", "0.0.1.1")
RATE = 16_000

_P835_FILE = "speechmos/dnsmos_models/sig_bak_ovr.onnx"
_P808_FILE = "speechmos/dnsmos_models/model_v8.onnx"
_SHA256 = {
    _P835_FILE: "269fbebdb513aa23cddfbb593542ecc540284a91849ac50516870e1ac78f6edd",
    _P808_FILE: "9246480c58567bc6affd4200938e77eef49468c8bc7ed3776d109c07456f6e91",
}

_WINDOW_SECONDS = 9.01
_WINDOW_SAMPLES = 144_160

_POLYNOMIALS = {
    # From what the network says to the scale of listeners, by the power 0, 1 and 2.
    "signal": (0.0052439, 1.22083953, -0.08397278),
    "background": (-0.39604546, 1.60915514, -0.13166888),
    "overall": (0.04602535, 1.11546468, -0.06766283),
}

_N_FFT = 321
_HOP_LENGTH = 160
_NUM_MELS = 120
_RANGE_DB = 80.0


@dataclass(frozen=True, kw_only=True, slots=True)
class SpeechQuality:
    """Mean opinion scores, from 1 to about 5, higher is better.

    `signal`, `background` and `overall` as ITU-T P.835 asks for them: how little the voice is
    distorted, how little the noise intrudes, and all together. `p808`: one question, P.808.
    """

    signal: float
    background: float
    overall: float
    p808: float


def check_dnsmos() -> None:
    """Raises UsageError if what DNSMOS needs is not installed."""
    check_package("onnxruntime")
    if any(installed_file(PACKAGE, name) is None for name in _SHA256):
        raise UsageError(
            f"DNSMOS comes with the Python package {PACKAGE}, which is not installed.",
            hint='`pip install "stemsplit[dnsmos]"` brings it.',
        )


def has_dnsmos() -> bool:
    """Whether what DNSMOS needs is installed."""
    try:
        check_dnsmos()
    except UsageError:
        return False
    return True


def dnsmos(
    blocks: Iterable[Tensor], *, sample_rate: int, hop_seconds: int = 1
) -> SpeechQuality | None:
    """How good a stream [C, T] of speech is; None for silence. Memory does not grow with it.

    Channels are mixed to mono. With a hop above the authors' 1 s windows are left out.

    Raises:
        UsageError: a package is not installed.
        CheckpointError: a network is not the one that it should be.
    """
    check_dnsmos()
    mono = (block.float().mean(dim=0, keepdim=True) for block in blocks)
    scores, sounds = [], False
    for second, window in _windows(resample_blocks(mono, from_rate=sample_rate, to_rate=RATE)):
        if second % hop_seconds == 0:
            scores.append(_score(window))
            sounds = sounds or bool(window.any())
    if not sounds:
        return None
    signal, background, overall, p808 = np.mean([astuple(score) for score in scores], axis=0)
    return SpeechQuality(
        signal=float(signal), background=float(background), overall=float(overall), p808=float(p808)
    )


def p808_features(window: Tensor) -> Tensor:
    """What the network for P.808 hears [N, M] of a window [T]: a mel spectrogram in decibels.

    The loudest point is 1, and 40 dB below it is 0.
    """
    spectrum = torch.stft(
        window,
        _N_FFT,
        hop_length=_HOP_LENGTH,
        window=torch.hann_window(_N_FFT),
        pad_mode="constant",
        return_complex=True,
    )  # [F, N]
    mels = (_mel_filters() @ spectrum.abs().square()).clamp(min=1e-10)  # [M, N]
    decibels = 10 * torch.log10(mels / mels.max())
    return (decibels.clamp(min=-_RANGE_DB).T + 40) / 40  # [N, M]


def _windows(blocks: Iterable[Tensor]) -> Iterator[tuple[int, Tensor]]:
    """Windows [T] of a stream [1, T], with the second in which each begins."""
    held, second = torch.zeros(0), 0
    for block in blocks:
        held = torch.cat([held, block[0]])
        while len(held) >= 10 * RATE:
            yield from _window(second, held)
            held, second = held[RATE:], second + 1
    if second or not held.any():
        return
    while len(held) < _WINDOW_SAMPLES:
        held = held.repeat(2)
    while second == 0 or len(held) >= 10 * RATE:
        yield from _window(second, held)
        held, second = held[RATE:], second + 1


def _window(second: int, held: Tensor) -> Iterator[tuple[int, Tensor]]:
    # Where the end of a window is rounded down, as in the 7th to the 23rd second, the authors'
    # program, by which all published figures were measured, leaves the window out.
    if int((second + _WINDOW_SECONDS) * RATE) - second * RATE == _WINDOW_SAMPLES:
        yield second, held[:_WINDOW_SAMPLES]


def _score(window: Tensor) -> SpeechQuality:
    p835, p808 = _network(_P835_FILE), _network(_P808_FILE)
    (raw,) = p835.run(None, {"input_1": window[None].numpy()})[0]  # [3]
    features = p808_features(window[:-_HOP_LENGTH])[None].numpy()  # [1, N, M]
    opinions = {
        name: float(np.polynomial.Polynomial(_POLYNOMIALS[name])(value))
        for name, value in zip(_POLYNOMIALS, raw, strict=True)
    }
    return SpeechQuality(**opinions, p808=float(p808.run(None, {"input_1": features})[0][0, 0]))


@functools.cache
def _network(name: str) -> Any:
    runtime = check_package("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    files = PackagedFiles(package=PACKAGE, sha256=_SHA256)
    file = files.fetch(name, Connection(offline=True))
    return runtime.InferenceSession(file.path, options, providers=["CPUExecutionProvider"])


@functools.cache
def _mel_filters() -> Tensor:
    return mel_filters(num_mels=_NUM_MELS, n_fft=_N_FFT, sample_rate=RATE)
