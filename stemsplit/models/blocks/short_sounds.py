"""Short sounds in long silence, of which networks make more than float32 can hold.

Normalised together with the silence, a click stands a hundred deviations above it and more, and
each layer's gates multiply what its rounding is off by: with random weights, float32 was 49 dB from
exact after a click in 8 s of silence. What is lost, is lost in the encoder of the waveform.
"""

from __future__ import annotations

from torch import Tensor

_MAX_CREST_FACTOR = 20.0
"""Of 8 s of noise it is 5, of music up to 10; of noise for half a second and then silence, 20.
Below it, float32 was at more than 90 dB."""


def needs_float64(waveform: Tensor) -> Tensor | None:
    """For each item of [B, C, T] with mean 0 whether it is a short sound: [B].

    None on other devices than a CPU: some have no float64.
    """
    if waveform.device.type != "cpu":
        return None
    peak = waveform.abs().amax(dim=(1, 2))  # [B]
    return peak.square() > _MAX_CREST_FACTOR**2 * waveform.square().mean(dim=(1, 2))
