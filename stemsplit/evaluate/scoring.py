"""The measures by name, and which of them are left out where they would mean nothing."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor

from stemsplit.evaluate.bsseval import MAX_CHANNELS, BssEval, is_silent, median_over_frames
from stemsplit.evaluate.dataset import NOISE, TrackAudio
from stemsplit.evaluate.dnsmos import check_dnsmos, dnsmos
from stemsplit.evaluate.metrics import sdr, si_sdr, si_sdr_improvement
from stemsplit.evaluate.speech import check_package, pesq, stoi

METRICS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sdr": ("sdr",),
        "si_sdr": ("si_sdr",),
        "si_sdri": ("si_sdri",),
        "bsseval": ("sdr_bsseval_v4", "isr_bsseval_v4", "sir_bsseval_v4", "sar_bsseval_v4"),
        "sdr_bsseval_v4": ("sdr_bsseval_v4",),
        "pesq": ("pesq",),
        "stoi": ("stoi",),
        "estoi": ("estoi",),
        "dnsmos": ("dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak", "dnsmos_p808"),
    }
)
"""What may be asked for, and the figures that it gives."""

_SI_SDR = "whole track, channels together with one gain, means left in"
_DNSMOS = "mono at 16 kHz, mean over windows of 9.01 s, hop 1 s (speechmos 0.0.1.1), DNSMOS"
_BSSEVAL = "BSS Eval v4, 1 s frames, median over frames"

PROTOCOLS: Mapping[str, str] = MappingProxyType(
    {
        "sdr": "whole track, channels together, 1e-7 added to both energies (MDX 2021, SDX 2023)",
        "si_sdr": _SI_SDR,
        "si_sdri": f"{_SI_SDR}, minus that of the mixture",
        "sdr_bsseval_v4": _BSSEVAL,
        "isr_bsseval_v4": f"{_BSSEVAL}, 512 taps fitted to the track",
        "sir_bsseval_v4": f"{_BSSEVAL}, 512 taps fitted to the track",
        "sar_bsseval_v4": f"{_BSSEVAL}, 512 taps fitted to the track",
        "pesq": "ITU-T P.862.2 (8 kHz audio: P.862.1), mono, mean over equal parts up to 19 s",
        "stoi": "STOI of 2011, mono",
        "estoi": "ESTOI of 2016, mono",
        "dnsmos_ovrl": f"{_DNSMOS} P.835, overall",
        "dnsmos_sig": f"{_DNSMOS} P.835, speech signal",
        "dnsmos_bak": f"{_DNSMOS} P.835, background",
        "dnsmos_p808": f"{_DNSMOS} P.808",
    }
)
"""How each figure is measured, apart from the stems that take part."""

_NEEDS: Mapping[str, Callable[[], object]] = {
    "pesq": functools.partial(check_package, "pesq"),
    "stoi": functools.partial(check_package, "pystoi"),
    "estoi": functools.partial(check_package, "pystoi"),
    "dnsmos": check_dnsmos,
}
"""What looks whether that which a measure needs is installed. All of these are for speech."""

SILENT_SOURCE = "the source is silent"
SILENT_ESTIMATE = "the estimate is silent"
NO_SOUND = "there is no second in which everything sounds that has to"
NO_ERROR = "infinite: there is no error that the measure could see"
TOO_MANY = f"more than {MAX_CHANNELS} channels: BSS Eval would need too much memory"


@dataclass(frozen=True, slots=True)
class Score:
    """One figure of one stem; None with the reason why there is none."""

    stem: str
    metric: str
    value: float | None
    reason: str = ""


def check_metrics(names: Sequence[str]) -> None:
    """Raises UsageError if a package that a measure needs is not installed."""
    for name in names:
        if name in _NEEDS:
            _NEEDS[name]()


def means_something(metric: str, stem: str) -> bool:
    """Whether the measure is used on the stem: how speech sounds is not asked of noise."""
    return not (metric in _NEEDS and stem == NOISE)


class TrackScorer:
    """Scores of any number of separations of one track."""

    def __init__(self, audio: TrackAudio) -> None:
        self._audio = audio
        self._has_sound = [bool(source.any()) for source in audio.sources]

    def score(self, estimates: Mapping[str, Tensor], metrics: Sequence[str]) -> list[Score]:
        """All figures of `metrics` for estimates [C, T] of some of the track's stems."""
        by_source = {
            index: estimates[stem]
            for index, stem in enumerate(self._audio.stems)
            if stem in estimates
        }
        scores: list[Score] = []
        for metric in metrics:
            if metric in self._measures:
                scores += self._plain(metric, by_source)
            else:
                scores += self._bsseval(METRICS[metric], by_source)
        return scores

    def _plain(self, metric: str, estimates: Mapping[int, Tensor]) -> Iterator[Score]:
        """Figures of a measure that looks at each stem by itself."""
        for index, estimate in estimates.items():
            stem = self._audio.stems[index]
            if not means_something(metric, stem):
                continue
            if not self._has_sound[index]:
                yield from (Score(stem, name, None, SILENT_SOURCE) for name in METRICS[metric])
                continue
            values = self._measures[metric](self._audio.sources[index], estimate)
            for name, value in zip(METRICS[metric], values, strict=True):
                yield _checked(stem, name, value, estimate)

    @functools.cached_property
    def _measures(self) -> Mapping[str, Callable[[Tensor, Tensor], Sequence[float]]]:
        """Each from a source and its estimate to the figures that it gives."""
        rate, mixture = self._audio.sample_rate, self._audio.mixture
        return {
            "sdr": lambda *pair: [sdr(*pair)],
            "si_sdr": lambda *pair: [si_sdr(*pair)],
            "si_sdri": lambda truth, found: [si_sdr_improvement(truth, found, mixture)],
            "pesq": lambda *pair: [pesq(*pair, sample_rate=rate)],
            "stoi": lambda *pair: [stoi(*pair, sample_rate=rate)],
            "estoi": lambda *pair: [stoi(*pair, sample_rate=rate, extended=True)],
            "dnsmos": lambda _, found: _dnsmos(found, rate),
        }

    def _bsseval(self, metrics: Sequence[str], estimates: Mapping[int, Tensor]) -> Iterator[Score]:
        sounding = self._sounding
        targets = [i for i in estimates if i in sounding and not is_silent(estimates[i][None])]
        for index in estimates:
            if index not in targets:
                reason = SILENT_ESTIMATE if index in sounding else SILENT_SOURCE
                yield from (Score(self._audio.stems[index], name, None, reason) for name in metrics)
        if not targets:
            return
        pair = (
            torch.stack([estimates[index] for index in targets]),
            [sounding.index(index) for index in targets],
        )
        if len(metrics) > 1 and self._prepared.can_fit:
            scores = self._prepared.score(*pair)
            table = [scores.sdr, scores.isr, scores.sir, scores.sar]
        else:
            table = [self._prepared.sdr(*pair)]
        for name, rows in zip(metrics, table, strict=False):
            for index, value in zip(targets, median_over_frames(rows), strict=True):
                yield _checked(self._audio.stems[index], name, value, estimates[index])
        for name in metrics[len(table) :]:
            yield from (Score(self._audio.stems[i], name, None, TOO_MANY) for i in targets)

    @functools.cached_property
    def _sounding(self) -> list[int]:
        """The sources that BSS Eval can use: a silent one would make every frame a silent one."""
        return [index for index, silent in enumerate(is_silent(self._audio.sources)) if not silent]

    @functools.cached_property
    def _prepared(self) -> BssEval:
        return BssEval(self._audio.sources[self._sounding], sample_rate=self._audio.sample_rate)


def _dnsmos(estimate: Tensor, sample_rate: int) -> list[float]:
    quality = dnsmos([estimate], sample_rate=sample_rate)
    if quality is None:
        return [-math.inf] * 4
    return [quality.overall, quality.signal, quality.background, quality.p808]


def _checked(stem: str, metric: str, value: float, estimate: Tensor) -> Score:
    """The figure if it is one."""
    if math.isnan(value):
        return Score(stem, metric, None, NO_SOUND)
    if math.isinf(value):
        return Score(stem, metric, None, NO_ERROR if estimate.any() else SILENT_ESTIMATE)
    return Score(stem, metric, value)
