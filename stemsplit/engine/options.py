"""What a user may ask of a separation, and the outputs that follow from it."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal, get_args

from stemsplit.audio.write.stem_layout import MASTER, STEMS
from stemsplit.dsp.limits import MIN_CHUNK_SECONDS
from stemsplit.engine.outputs import Output, parse_mix
from stemsplit.errors import (
    UnknownStemError,
    UsageError,
    check_choice,
    check_number,
    check_text,
    check_texts,
)
from stemsplit.hub.catalog import DEFAULT_MODEL

Complement = Literal["subtract", "sum", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class SeparationOptions:
    """What is wanted of a model: which outputs, and how it runs; the same for every track."""

    stems: tuple[str, ...] | None = None
    """Only these; None: all."""
    two_stems: str | None = None
    """This stem and its complement."""
    complement: Complement = "subtract"
    """The mixture minus the stem, or the sum of the other stems, or left out."""
    residual: bool = False
    """Also the mixture minus the sum of all stems."""
    sum_to_mix: bool = False
    """The stem `other` is the mixture minus all other stems, so that nothing is left over."""
    mixes: tuple[str, ...] = ()
    """Named sums of stems, in the language of `stemsplit.engine.outputs`; with them, stems are
    written only if they are named."""
    lfe: str | None = None
    """The stem that channels for low-frequency effects go to; None: `bass`."""
    stem_file: bool = False
    """What a .stem.mp4 holds, the mixture and four stems: which outputs there are, whatever file
    they go to, so that a model is chosen and loaded for them."""
    strength: float = 1.0
    """How much of what a model takes out of `speech` as noise is taken out, in [0, 1]."""
    shifts: int = 0
    """Seeded random time shifts to average over; 0 is one pass without a shift."""
    seed: int = 0
    overlap: float | None = None
    """Share of a chunk in [0, 1); None: the model's own."""
    segment_seconds: float | None = None
    """Length of a chunk; None: the model's own."""

    def __post_init__(self) -> None:
        self._check_types()
        if self.stems is not None and self.two_stems is not None:
            raise UsageError(
                "`stems` and `two_stems` exclude each other.", hint="Give only one of them."
            )
        if self.stems is not None and not self.stems:
            raise UsageError("`stems` names no stem.", hint="Example: `stems=['vocals', 'drums']`")
        check_choice("complement", self.complement, get_args(Complement))
        if self.residual and self.sum_to_mix:
            raise UsageError(
                "`residual` and `sum_to_mix` exclude each other.",
                hint="With `sum_to_mix` the stems leave nothing over.",
            )
        if self.stem_file:
            self._check_stem_file()
        for mix in self.mixes:
            parse_mix(mix)  # raises where it cannot be understood
        if not 0 <= self.strength <= 1:
            raise UsageError(f"`strength` must be between 0 and 1, got {self.strength}.")
        if not 0 <= self.shifts <= 100:
            raise UsageError(f"`shifts` must be between 0 and 100, got {self.shifts}.")
        if self.overlap is not None and not 0 <= self.overlap < 1:
            raise UsageError(f"`overlap` must be at least 0 and below 1, got {self.overlap}.")
        self._check_segment()

    def _check_types(self) -> None:
        """Python checks no annotation, and a text would only be compared with a number later."""
        check_number("shifts", self.shifts, whole=True)
        check_number("seed", self.seed, whole=True)
        check_number("strength", self.strength)
        if self.overlap is not None:
            check_number("overlap", self.overlap)
        check_texts("stems", self.stems or (), "names")
        check_texts("mixes", self.mixes, "sums")
        for argument, text in (("two_stems", self.two_stems), ("lfe", self.lfe)):
            if text is not None:
                check_text(argument, text)

    def _check_segment(self) -> None:
        seconds = self.segment_seconds
        if seconds is None:
            return
        if not isinstance(seconds, Real) or not (
            math.isfinite(seconds) and seconds >= MIN_CHUNK_SECONDS
        ):
            raise UsageError(
                f"`segment` must be a finite number and at least {MIN_CHUNK_SECONDS} seconds, "
                f"got {seconds!r}.",
                hint="Any number beyond the song makes one chunk of it.",
            )

    def _check_stem_file(self) -> None:
        if self.stems or self.two_stems or self.residual or self.mixes:
            raise UsageError(
                "A stem file always holds the mixture and its four stems.",
                hint="Leave out `stems`, `two_stems`, `residual` and `mixes`, or use another "
                "`format`.",
            )


def choose_outputs(
    stems: Sequence[str], options: SeparationOptions, parents: Sequence[str] = ()
) -> tuple[Output, ...]:
    """The outputs that `options` ask of a model with these `stems`, in the order of writing.

    Stems among `parents` that are no outputs anyway come last: something is to be made of them.

    Raises:
        UnknownStemError: a stem was named that the model does not have.
        UsageError: two outputs of one name, nothing to separate, or nothing that
            `sum_to_mix` could change.
    """
    if options.stem_file:
        outputs = _stem_file(stems)
    elif options.two_stems is not None:
        outputs = _two_stems(stems, check_stem(options.two_stems, stems), options.complement)
    else:
        every_stem = () if options.mixes else stems
        wanted = every_stem if options.stems is None else options.stems
        wanted = [check_stem(stem, stems) for stem in dict.fromkeys(wanted)]
        outputs = [Output(stem, 0.0, {stem: 1.0}) for stem in wanted]
    if options.residual:
        outputs.append(Output("residual", 1.0, dict.fromkeys(stems, -1.0)))
    outputs += _mixes(stems, options.mixes, taken=[output.name for output in outputs])
    names = [output.name for output in outputs]
    outputs += [
        Output(parent, 0.0, {check_stem(parent, stems): 1.0})
        for parent in dict.fromkeys(parents)
        if parent not in names
    ]
    if options.sum_to_mix:
        outputs = _folded(stems, outputs)
    if options.strength != 1:
        outputs = [_softened(output, stems, options.strength) for output in outputs]
    if not needed_stems(stems, outputs):
        raise UsageError("No output has a stem in it, so there is nothing to separate.")
    choose_lfe_stem(stems, options)  # an unknown one is found before any work
    return tuple(outputs)


def needed_stems(stems: Sequence[str], outputs: Sequence[Output]) -> tuple[str, ...]:
    """The stems that the outputs are made of, in the model's order."""
    return tuple(stem for stem in stems if any(output.stem_gains.get(stem) for output in outputs))


def choose_lfe_stem(stems: Sequence[str], options: SeparationOptions) -> str:
    """The stem that channels for low-frequency effects go to.

    Raises:
        UnknownStemError: `options` name one that the model does not have.
    """
    if options.lfe is not None:
        return check_stem(options.lfe, stems)
    return next((stem for stem in ("bass", "other") if stem in stems), stems[0])


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


def _stem_file(stems: Sequence[str]) -> list[Output]:
    """The tracks of a stem file. A fifth stem, such as a guitar, has its place in `other`."""
    if not set(STEMS) <= set(stems):
        raise UsageError(
            f"A stem file has the stems {', '.join(STEMS)}; the model has {', '.join(stems)}.",
            hint=f"Use a model with these four, such as {DEFAULT_MODEL}, or another `format`.",
        )
    gains = {stem: {stem: 1.0} for stem in STEMS}
    gains["other"] |= {stem: 1.0 for stem in stems if stem not in STEMS}
    return [Output(MASTER, 1.0, {}), *(Output(stem, 0.0, gains[stem]) for stem in STEMS)]


def _mixes(stems: Sequence[str], mixes: Sequence[str], taken: Sequence[str]) -> list[Output]:
    outputs = []
    names = {name.casefold() for name in (*stems, *taken)}  # some file systems ignore case
    for output in map(parse_mix, mixes):
        if output.name.casefold() in names:
            raise UsageError(
                f"`mixes` {output.name!r}: a stem or another output has this name.",
                hint="Choose another one.",
            )
        names.add(output.name.casefold())
        for stem in output.stem_gains:
            check_stem(stem, stems)
        outputs.append(output)
    return outputs


def _softened(output: Output, stems: Sequence[str], strength: float) -> Output:
    """The output with speech that keeps some of its noise, which `noise` then has not."""
    if "speech" not in stems:
        raise UsageError(
            "`strength` says how much noise is taken out of `speech`, and the model has no such "
            f"stem: it has {', '.join(stems)}.",
            hint="Leave `strength` out, or name a model for speech.",
        )
    gains = dict(output.stem_gains)
    speech = gains.get("speech", 0.0)
    gains |= {stem: gains[stem] * strength for stem in ("speech", "noise") if stem in gains}
    return Output(output.name, output.mixture_gain + (1 - strength) * speech, gains)


def _folded(stems: Sequence[str], outputs: Sequence[Output]) -> list[Output]:
    """The outputs with `other` replaced by the mixture minus all other stems."""
    if "other" not in stems:
        raise UsageError(
            "`sum_to_mix` folds what is left over into `other`, and the model has no such stem.",
            hint=f"It has {', '.join(stems)}; use `residual` for a file of its own.",
        )
    if not any(output.stem_gains.get("other") for output in outputs):
        raise UsageError(
            "`sum_to_mix` changes the stem `other`, and no output has it in it.",
            hint="Leave `sum_to_mix` out, or ask for `other`.",
        )
    folded = []
    for output in outputs:
        gains = dict(output.stem_gains)
        share = gains.pop("other", 0.0)
        rest = {stem: gains.get(stem, 0.0) - share for stem in stems if stem != "other"}
        folded.append(Output(output.name, output.mixture_gain + share, rest))
    return folded
