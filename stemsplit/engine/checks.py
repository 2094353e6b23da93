"""What can be said about a separation without knowing the true stems.

It is measured by `stemsplit.engine.meters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from stemsplit.json_data import LEFT_OUT, Count, JsonData


@dataclass(frozen=True, kw_only=True, slots=True)
class SignalCheck(JsonData):
    """The levels of an output or of the mixture.

    `loudness_lufs` is integrated and gated (ITU-R BS.1770-4), None below -70 LUFS or 0.4 s.
    `peak_dbfs` is that of the samples, None for digital silence; either is None where samples are
    not finite numbers. `num_clipped` and `num_clipped_runs` are those of `stemsplit.dsp.levels`.
    `silent`: no sample reaches -80 dBFS.
    """

    loudness_lufs: float | None = None
    peak_dbfs: float | None = None
    num_clipped: Count = 0
    num_clipped_runs: Count = 0
    silent: bool = False

    def rounded(self) -> SignalCheck:
        """The levels in hundredths of a decibel."""
        return replace(
            self,
            loudness_lufs=_rounded(self.loudness_lufs, 2),
            peak_dbfs=_rounded(self.peak_dbfs, 2),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Checks(JsonData):
    """What was measured, and what follows from it.

    `stems`: by the name of each output. `correlation`: of any two of the model's stems that were
    estimated, by "bass+drums" and the like, as a hint at bleeding; None if one of them is constant.
    `residual_db`: of what all stems leave over, against the mixture; None if not all were
    estimated. `suspicions` say why the separation has probably failed, `notes` what a listener
    should know.
    """

    stems: Mapping[str, SignalCheck] = field(default_factory=dict)
    mixture: SignalCheck = SignalCheck()
    correlation: Mapping[str, float | None] = field(default_factory=dict)
    residual_db: float | None = field(default=None, metadata=LEFT_OUT)
    suspicions: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), metadata=LEFT_OUT)

    def for_record(self) -> Checks:
        """`checks` in stemsplit.json, where the residual and the notes have places of their own."""
        return Checks(
            stems={name: check.rounded() for name, check in self.stems.items()},
            mixture=self.mixture.rounded(),
            correlation={pair: _rounded(value, 4) for pair, value in self.correlation.items()},
            suspicions=self.suspicions,
        )


def _rounded(value: float | None, num_digits: int) -> float | None:
    return None if value is None else round(value, num_digits)
