"""Which of a model's outputs is which speaker, where the model cannot know."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

from torch import Tensor

from stemsplit.errors import UsageError
from stemsplit.evaluate.dataset import NOISE, TrackAudio
from stemsplit.evaluate.metrics import si_sdr

BEST_ORDER = "outputs in the order with the highest mean SI-SDR on the track"

_BOUND_DB = 200.0
"""A perfect or an empty output counts as this much, since nothing can be compared with infinity."""


def in_best_order(estimates: Mapping[str, Tensor], audio: TrackAudio) -> dict[str, Tensor]:
    """The estimates [C, T] under the names of the sources that they fit best, all together.

    D. Yu, M. Kolbæk, Z.-H. Tan, J. Jensen, "Permutation invariant training of deep models for
    speaker-independent multi-talker speech separation", ICASSP 2017, on the whole track.

    Raises:
        UsageError: the track has more or fewer speakers than there are estimates.
    """
    speakers = [index for index, stem in enumerate(audio.stems) if stem != NOISE]
    outputs = list(estimates.values())
    if len(outputs) != len(speakers):
        raise UsageError(
            f"The model separates {len(outputs)} speakers, and the track has {len(speakers)}."
        )
    fits = [[_fit(audio.sources[index], output) for output in outputs] for index in speakers]
    best = max(
        permutations(range(len(outputs))),
        key=lambda order: sum(fits[row][output] for row, output in enumerate(order)),
    )
    return {
        audio.stems[index]: outputs[output] for index, output in zip(speakers, best, strict=True)
    }


def _fit(source: Tensor, estimate: Tensor) -> float:
    """SI-SDR in dB, bounded; 0 for a silent source, which fits nothing."""
    if not source.any():
        return 0.0
    return max(-_BOUND_DB, min(_BOUND_DB, si_sdr(source, estimate)))
