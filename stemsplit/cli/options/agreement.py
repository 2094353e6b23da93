"""From the options about files to one encoding, without contradictions."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from stemsplit.errors import UsageError

if TYPE_CHECKING:
    from stemsplit.audio.formats import Encoding, SampleRate


def agreed(**options: str | None) -> str | None:
    """What the options that were given say, each named as on the command line but with `_`.

    Raises:
        UsageError: two of them say different things.
    """
    given = {name: value for name, value in options.items() if value is not None}
    first = next(iter(given), None)
    if first is None:
        return None
    for name, value in given.items():
        if value != given[first]:
            raise UsageError(
                f"{_spelled(first, given[first])} and {_spelled(name, value)} contradict each "
                "other.",
                hint="Give one of them.",
            )
    return given[first]


def parse_bitrate(text: str | None) -> int | str | None:
    """Kilobits per second, from 320 or 320k or 320 kbit/s, or a quality like V0."""
    if text is None:
        return None
    number = re.fullmatch(r"([0-9]+) *(k|kb/s|kbps|kbit/s)?", text.strip(), re.IGNORECASE)
    return int(number[1]) if number else text.upper()


def choose_sample_rate(text: str, encoding: Encoding) -> SampleRate:
    """The rate of the stems: what --sample-rate says, or the only one that the format has.

    Raises:
        UsageError: no rate, or one that the format cannot hold.
    """
    rate = _parse_rate(text)
    only = encoding.only_sample_rate
    if rate == "source":
        return only or rate
    if (rate == "model" and only) or (rate != "model" and not encoding.takes_sample_rate(rate)):
        raise UsageError(
            f"{encoding.limits.title} cannot hold --sample-rate {text}.",
            hint=f"Use --sample-rate {only or 48000}, or --format wav.",
        )
    encoding.check_sample_rate(rate)
    return rate


def _parse_rate(text: str) -> SampleRate:
    """Hertz, from 44100 or 44100 Hz or 44.1k or 44.1 kHz; or the word."""
    word = text.strip().lower()
    if word == "source":
        return "source"
    if word == "model":
        return "model"
    number = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) *(k?)(?:hz)?", word)
    rate = Fraction(number[1]) * (1000 if number[2] else 1) if number else Fraction(1, 2)
    if rate.denominator != 1:
        raise UsageError(
            f"--sample-rate {text!r} is no rate.", hint="Use source, model or a number of Hz."
        )
    return int(rate)


def _spelled(name: str, value: str) -> str:
    option = "--" + name.replace("_", "-")
    # Switches like --flac have their value in their name.
    return option if name in ("flac", "mp3", "int24", "float32") else f"{option} {value}"
