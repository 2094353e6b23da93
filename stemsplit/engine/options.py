"""What a user may ask of a separation, and the outputs that follow from it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stemsplit.errors import UnknownStemError, UsageError

Complement = Literal["subtract", "sum", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeparationOptions:
    """Everything that changes the sound of the outputs, apart from the model.

    `stems`: only these (None: all). `two_stems`: this stem and its complement, which is the mixture
    minus the stem (`subtract`), the sum of the other stems (`sum`) or left out (`none`).
    `residual`: also the mixture minus the sum of all stems. `shifts`: the number of seeded random
    time shifts to average over; 0 is one pass without a shift. `overlap`: share of a chunk in
    [0, 1), None for the model's own. `segment_seconds`: chunk length, None for the model's own.
    `sample_rate`: of the outputs in Hz, or the source's, or the model's.
    """

    stems: tuple[str, ...] | None = None
    two_stems: str | None = None
    complement: Complement = "subtract"
    residual: bool = False
    shifts: int = 0
    seed: int = 0
    overlap: float | None = None
    segment_seconds: float | None = None
    sample_rate: int | Literal["source", "model"] = "source"

    def __post_init__(self) -> None:
        if self.stems is not None and self.two_stems is not None:
            raise UsageError(
                "--stems and --two-stems exclude each other.", hint="Give only one of them."
            )
        if self.stems is not None and not self.stems:
            raise UsageError("--stems names no stem.", hint="Example: --stems vocals,drums")
        if not 0 <= self.shifts <= 100:
            raise UsageError(f"--shifts must be between 0 and 100, got {self.shifts}.")
        if self.overlap is not None and not 0 <= self.overlap < 1:
            raise UsageError(f"--overlap must be at least 0 and below 1, got {self.overlap}.")
        if self.segment_seconds is not None and not (
            math.isfinite(self.segment_seconds) and self.segment_seconds >= 0.1
        ):
            raise UsageError(f"--segment must be at least 0.1 seconds, got {self.segment_seconds}.")
        if isinstance(self.sample_rate, int) and not 1_000 <= self.sample_rate <= 768_000:
            raise UsageError(f"--sample-rate must be 1000 to 768000 Hz, got {self.sample_rate}.")


@dataclass(frozen=True, slots=True)
class Output:
    """A named linear combination: `mixture_gain` x mixture + the sum of gain x stem."""

    name: str
    mixture_gain: float
    stem_gains: Mapping[str, float]


def choose_outputs(stems: Sequence[str], options: SeparationOptions) -> tuple[Output, ...]:
    """The outputs that `options` ask of a model with these `stems`, in the order of writing.

    Raises:
        UnknownStemError: a stem was named that the model does not have.
    """
    if options.two_stems is not None:
        outputs = _two_stems(stems, check_stem(options.two_stems, stems), options.complement)
    else:
        wanted = stems if options.stems is None else options.stems
        wanted = [check_stem(stem, stems) for stem in dict.fromkeys(wanted)]
        outputs = [Output(stem, 0.0, {stem: 1.0}) for stem in wanted]
    if options.residual:
        outputs.append(Output("residual", 1.0, dict.fromkeys(stems, -1.0)))
    return tuple(outputs)


def needed_stems(stems: Sequence[str], outputs: Sequence[Output]) -> tuple[str, ...]:
    """The stems that the outputs are made of, in the model's order."""
    return tuple(stem for stem in stems if any(output.stem_gains.get(stem) for output in outputs))


def check_stem(stem: str, stems: Sequence[str]) -> str:
    """`stem` itself, if it is one of `stems`.

    Raises:
        UnknownStemError: it is not; the message names those that are.
    """
    if stem in stems:
        return stem
    close = difflib.get_close_matches(stem.lower(), stems, n=1)
    guess = f"Did you mean {close[0]}? " if close else ""
    raise UnknownStemError(
        f"The model has no stem {stem!r}.", hint=f"{guess}It has {', '.join(stems)}."
    )


def _two_stems(stems: Sequence[str], stem: str, complement: Complement) -> list[Output]:
    outputs = [Output(stem, 0.0, {stem: 1.0})]
    if complement == "subtract":
        outputs.append(Output(f"no_{stem}", 1.0, {stem: -1.0}))
    elif complement == "sum":
        others = {other: 1.0 for other in stems if other != stem}
        outputs.append(Output(f"no_{stem}", 0.0, others))
    return outputs
