"""Sample rate conversion of a stream; the only module that knows torchaudio.

A windowed-sinc filter for the ratio orig:new (in lowest terms) turns `orig` samples into `new` ones
and repeats, so a stream can be cut wherever a whole number of such periods ends, provided that the
filter hears its width of real audio on both sides of the cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from math import ceil, gcd
from typing import Any

import torch
from torch import Tensor

from stemsplit.audio.blocks import regroup
from stemsplit.errors import AudioError, AudioReadError
from stemsplit.quoting import reason

MAX_SAMPLE_RATE = 768_000

# A table has about orig * new entries. 32 Mi are 128 MiB, and under 1 GiB while it is computed
# (measured: 27 Mi for 22254 Hz, the sound of old Macs, took 0.8 GiB and 3 s). Every rate in use
# is below; 44101:44100 would have 1855 Mi.
MAX_FILTER_ENTRIES = 32 * 2**20

# The "kaiser best" filter of the resampy library as torchaudio's documentation gives it: 64 zero
# crossings on each side, pass band up to 0.948 of the lower Nyquist frequency.
_ZERO_CROSSINGS = 64
_ROLLOFF = 0.9475937167399596
_KAISER_BETA = 14.769656459379492

_SEGMENT_SAMPLES = 1 << 16


def resampled_length(num_samples: int, from_rate: int, to_rate: int) -> int:
    """Number of samples after conversion: the duration is kept, rounded up to a whole sample."""
    return -(-num_samples * to_rate // from_rate)


def samples_heard(wanted: range, from_rate: int, to_rate: int) -> range:
    """The input samples that decide the converted samples in `wanted`.

    It may reach beyond the input's ends. Its start is at the time of a converted sample, so that a
    stream that begins there is converted to the same samples as the whole.
    """
    if from_rate == to_rate:
        return wanted
    orig, new = _ratio(from_rate, to_rate)
    context = _context(orig, new)
    return range(wanted.start // new * orig - context, -(-wanted.stop // new) * orig + context)


def resample_blocks(blocks: Iterable[Tensor], *, from_rate: int, to_rate: int) -> Iterator[Tensor]:
    """The stream of blocks [C, T] at another rate; untouched if the rates are equal.

    Output sample 0 is at the time of input sample 0. The result does not depend on how the input
    was cut into blocks, not even in the last bit. It differs from converting everything at once by
    rounding only (below 2e-6), because the convolution sums in another order for other lengths.

    Raises:
        AudioReadError: at once, a rate out of range, or a ratio whose filter would not fit memory.
    """
    check_rates(from_rate, to_rate)
    if from_rate == to_rate:
        return iter(blocks)
    return _resampled(blocks, from_rate, to_rate)


def check_rates(from_rate: int, to_rate: int) -> None:
    """Raises AudioReadError if no conversion between the two rates is possible."""
    for rate in (from_rate, to_rate):
        if not 1 <= rate <= MAX_SAMPLE_RATE:
            raise AudioReadError(
                f"{from_rate} Hz cannot be converted to {to_rate} Hz: "
                f"rates go from 1 to {MAX_SAMPLE_RATE} Hz.",
                hint="Convert the file to a common rate such as 44100 Hz first.",
            )
    orig, new = _ratio(from_rate, to_rate)
    if from_rate != to_rate and new * (2 * _width(orig, new) + orig) > MAX_FILTER_ENTRIES:
        raise AudioReadError(
            f"{from_rate} Hz cannot be converted to {to_rate} Hz: the ratio {orig}:{new} "
            "needs a filter that does not fit into memory.",
            hint="Convert the file to a common rate such as 44100 or 48000 Hz first.",
        )


def _resampled(blocks: Iterable[Tensor], from_rate: int, to_rate: int) -> Iterator[Tensor]:
    transforms = _transforms()
    resampler = transforms.Resample(
        from_rate,
        to_rate,
        resampling_method="sinc_interp_kaiser",
        lowpass_filter_width=_ZERO_CROSSINGS,
        rolloff=_ROLLOFF,
        beta=_KAISER_BETA,
        # Computed in float64 and rounded once: left to itself, torchaudio rounds the filter's
        # phases to float32, an error of 5e-6 in the audio.
        dtype=torch.float64,
    ).float()
    orig, new = _ratio(from_rate, to_rate)
    context = _context(orig, new)
    segment_samples = max(_SEGMENT_SAMPLES // orig * orig, context)
    past: Tensor | None = None
    present: Tensor | None = None
    for future in chain(regroup(blocks, block_samples=segment_samples), [None]):
        if present is not None:
            past = present[:, :0] if past is None else past
            ahead = present[:, :0] if future is None else future[:, :context]
            converted = resampler(torch.cat([past, present, ahead], dim=-1))
            start = past.shape[-1] // orig * new
            num_samples = resampled_length(present.shape[-1], orig, new)
            yield converted[:, start : start + num_samples].clone()
            past = present[:, -context:]
        present = future


def _transforms() -> Any:
    """torchaudio's transforms, imported late: most songs have the model's rate already."""
    try:
        from torchaudio import transforms
    except Exception as error:  # a build for another torch raises whatever it likes
        raise AudioError(
            f"The sample rate cannot be converted: torchaudio does not load beside torch "
            f"{torch.__version__}: {reason(error)}",
            hint="Install both again, as a pair: `stemsplit doctor` says how.",
        ) from error
    return transforms


def _ratio(from_rate: int, to_rate: int) -> tuple[int, int]:
    common = gcd(from_rate, to_rate)
    return from_rate // common, to_rate // common


def _context(orig: int, new: int) -> int:
    """The filter's width in whole periods."""
    return ceil(_width(orig, new) / orig) * orig


def _width(orig: int, new: int) -> int:
    """Input samples that the filter hears on each side."""
    return ceil(_ZERO_CROSSINGS * orig / (min(orig, new) * _ROLLOFF))
