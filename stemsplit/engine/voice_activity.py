"""How much of a recording is a voice, and how well the voice stands out: by levels alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_FRAME_SECONDS = 0.025
_RANGE_DB = 30.0
"""Further below its loudest frame a voice is not heard."""
FLOOR_DBFS = -60.0
"""Below it is silence."""
_QUIET_SHARE, _LOUD_SHARE = 0.1, 0.9
_TINY = 1e-20
_SILENCE_DBFS = -200.0


@dataclass(frozen=True, kw_only=True, slots=True)
class VoiceActivity:
    """`seconds` of frames in which there is a voice; `contrast_db` between loud and quiet frames.

    The loudest frame is at `level_dbfs`, -200 in silence. Speech has pauses, at least between
    words: without noise they are 20 dB and more below the words.
    """

    seconds: float
    level_dbfs: float
    contrast_db: float


def voice_activity(samples: Tensor, sample_rate: int) -> VoiceActivity:
    """What there is of a voice in samples [C, T], full scale ±1; of channels, their mean counts."""
    frame_samples = max(1, round(_FRAME_SECONDS * sample_rate))
    mono = samples.mean(0) if len(samples) else samples.new_zeros(0)  # [T]
    frames = mono[: len(mono) // frame_samples * frame_samples].reshape(-1, frame_samples)
    if not len(frames):
        return VoiceActivity(seconds=0.0, level_dbfs=_SILENCE_DBFS, contrast_db=0.0)
    levels = 10 * frames.var(-1, correction=0).clamp_min(_TINY).log10()  # [N] in dBFS
    highest = float(levels.max())
    active = levels > max(highest - _RANGE_DB, FLOOR_DBFS)
    quiet, loud = levels.quantile(torch.tensor([_QUIET_SHARE, _LOUD_SHARE])).tolist()
    return VoiceActivity(
        seconds=float(active.sum()) * frame_samples / sample_rate,
        level_dbfs=highest,
        contrast_db=loud - quiet,
    )
