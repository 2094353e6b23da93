"""The sizes of an NSNet2, which its file tells, and how it hears, which they tell."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from stemsplit.models.blocks.declared import arg, reader_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Hearing:
    """The frames that a network was trained with."""

    sample_rate: int
    frame_length: int
    hop_length: int
    n_fft: int
    periodic: bool
    """Whether the Hann window is periodic and frames are put together by its pseudo-inverse; else
    it is symmetric, and used for both."""
    dtype: torch.dtype
    """Of the spectra in the authors' code. A network hears bins of -120 dB, which beside a loud
    tone are nothing but rounding errors in single precision: it learned from those as well."""


_HEARING = {
    161: Hearing(
        sample_rate=16000,
        frame_length=320,
        hop_length=160,
        n_fft=320,
        periodic=False,
        dtype=torch.float64,
    ),
    513: Hearing(
        sample_rate=48000,
        frame_length=960,
        hop_length=512,
        n_fft=1024,
        periodic=True,
        dtype=torch.float32,
    ),
}
"""By the number of bins: those of the two published networks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NsNet2Config:
    """The layers' widths."""

    num_bins: int = arg("bins", low=1, high=1 << 12)
    input_features: int = arg("fc_in", 400, low=1, high=4096)
    memory_features: int = arg("gru", 400, low=1, high=4096)
    output_features: int = arg("fc_out", 600, low=1, high=4096)

    @property
    def hearing(self) -> Hearing:
        """How a network with so many bins hears.

        Raises:
            ValueError: none that is known has so many.
        """
        if self.num_bins not in _HEARING:
            known = " or ".join(map(str, _HEARING))
            raise ValueError(f"it has {self.num_bins} bins, not {known}")
        return _HEARING[self.num_bins]


read_nsnet2_config = reader_of(NsNet2Config, "NSNet2")
