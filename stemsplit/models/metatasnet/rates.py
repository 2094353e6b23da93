"""The lower rates that the first stages hear.

Smith's bandlimited interpolation (https://ccrma.stanford.edu/~jos/resample/) with the filter that
the authors had, "kaiser best" of the library resampy 0.2. To divide the rate of what was converted
to it with the same filter is to convert the song to the lower rate at once. (That library rounded
the steps in its table of the filter down: from 44.1 to 8 kHz it was 42 dB from its own filter.)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_ZERO_CROSSINGS = 64
_ROLLOFF = 0.9475937167399596
_KAISER_BETA = 14.769656459379492


def at_lower_rate(signal: Tensor, factor: int) -> Tensor:
    """[B, 1, T] -> [B, 1, T / factor], for T a multiple of `factor`."""
    if factor == 1:
        return signal
    reach = _ZERO_CROSSINGS * factor
    with torch.autocast(signal.device.type, enabled=False):
        padded = F.pad(signal, (reach, reach - factor + 1))
        return F.conv1d(padded, _low_pass(factor).to(signal)[None, None], stride=factor)


def _low_pass(factor: int) -> Tensor:
    """The filter's taps, in float64."""
    reach = _ZERO_CROSSINGS * factor
    crossings = torch.arange(-reach, reach + 1, dtype=torch.float64) / factor
    window = torch.i0(_KAISER_BETA * (1 - (crossings / _ZERO_CROSSINGS).square()).sqrt())
    taps = torch.sinc(_ROLLOFF * crossings) * window
    return taps * (_ROLLOFF / factor) / window.max()
