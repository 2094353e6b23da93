"""Outputs as named sums of the mixture and its stems, and the language of `mixes`.

    mix     NAME = [+|-] term {(+|-) term}
    term    SOURCE | GAIN * SOURCE | SOURCE * GAIN
    SOURCE  mixture, or a stem of the model
    GAIN    a number such as 2, 0.5 or .5

For example `practice = mixture - drums + 0.5*vocals`. The name is the file's: letters, digits,
spaces, - and _.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stemsplit.errors import UsageError

MIXTURE = "mixture"

_EXAMPLE = "Example: `mixes=['practice = mixture - drums + 0.5*vocals']`"
_NAME = re.compile(r"\w(?:[\w -]{0,98}\w)?")
_NUMBER = r"(?:\d+\.?\d*|\.\d+)"
_SOURCE = r"[^\W\d]\w*"
_TERM = re.compile(
    rf"\s*(?P<sign>[+-])?\s*(?:(?P<before>{_NUMBER})\s*\*\s*)?"
    rf"(?P<source>{_SOURCE})(?:\s*\*\s*(?P<after>{_NUMBER}))?\s*(?=[+-]|$)"
)


@dataclass(frozen=True, slots=True)
class Output:
    """A named linear combination: `mixture_gain` x mixture + the sum of gain x stem."""

    name: str
    mixture_gain: float
    stem_gains: Mapping[str, float]


def parse_mix(text: str) -> Output:
    """The output that one of `mixes` asks for. A source that comes twice counts twice.

    Raises:
        UsageError: the text is not of the language above, or has no stem in it.
    """
    name, equals, formula = text.partition("=")
    name = name.strip()
    if not equals:
        raise UsageError(f"`mixes` {text!r} has no name.", hint=_EXAMPLE)
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"`mixes` {text!r}: {name!r} cannot be the name of a file.",
            hint="Use up to 100 letters, digits, spaces, - and _.",
        )
    gains = _parse_sum(text, formula)
    mixture_gain = gains.pop(MIXTURE, 0.0)
    if not any(gains.values()):
        raise UsageError(f"`mixes` {text!r} has no stem in it.", hint=_EXAMPLE)
    return Output(name, mixture_gain, gains)


def _parse_sum(text: str, formula: str) -> dict[str, float]:
    gains: dict[str, float] = {}
    position = 0
    while position < len(formula) or not gains:
        term = _TERM.match(formula, position)
        twice = term is not None and term["before"] is not None and term["after"] is not None
        if term is None or twice or (gains and not term["sign"]):
            rest = formula[position:].strip()
            raise UsageError(
                f"`mixes` {text!r} cannot be understood at {repr(rest) if rest else 'its end'}.",
                hint=f"Sources are joined by + and -, gains by *. {_EXAMPLE}",
            )
        gain = float(term["before"] or term["after"] or 1) * (-1 if term["sign"] == "-" else 1)
        gains[term["source"]] = gains.get(term["source"], 0.0) + gain
        position = term.end()
    return gains
