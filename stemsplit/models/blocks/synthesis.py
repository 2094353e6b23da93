"""The inverse transform of a spectrogram that comes in windows of frames.

A whole song's spectrograms of all stems would be the largest thing in memory by far.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from stemsplit.dsp.stft import istft


def synthesize(windows: Iterable[Tensor], *, hop_length: int, num_samples: int) -> Tensor:
    """Signals [..., T] of spectrograms [..., F, N], which come as windows [..., F, N'] in order.

    The same as the inverse transform, not scaled, of all frames at once.
    """
    num_frames = num_samples // hop_length + 1
    signals = frames = None
    first_frame = num_finished = 0
    for window in windows:
        frames = window if frames is None else torch.cat([frames, window], dim=-1)
        n_fft = 2 * (frames.shape[-2] - 1)
        stop_frame = first_frame + frames.shape[-1]
        # A frame reaches n_fft / 2 to either side: the next window's begin to count from here.
        end = num_samples if stop_frame == num_frames else stop_frame * hop_length - n_fft // 2
        start = first_frame * hop_length
        signal = istft(frames, hop_length=hop_length, num_samples=end - start, normalized=False)
        if signals is None:
            signals = signal.new_empty(*signal.shape[:-1], num_samples)
        signals[..., num_finished:end] = signal[..., num_finished - start :]
        num_finished = end
        # Those that reach beyond the end are still needed.
        frames = frames[..., 1 - math.ceil(n_fft / hop_length) :]
        first_frame = stop_frame - frames.shape[-1]
    if signals is None:
        raise ValueError("a spectrogram of no frames is that of no signal")
    return signals
