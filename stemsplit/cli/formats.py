"""From the options about files to one encoding, without contradictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from stemsplit.errors import UsageError

if TYPE_CHECKING:
    from stemsplit.audio.encode import Encoding

Rate = int | Literal["source", "model"]


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
    """Kilobits per second, or a quality like V0."""
    if text is None or not text.isdecimal():
        return text and text.upper()
    return int(text)


def choose_sample_rate(text: str, encoding: Encoding) -> Rate:
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
    return rate


def _parse_rate(text: str) -> Rate:
    if text.isdecimal():
        return int(text)
    if text == "source":
        return "source"
    if text == "model":
        return "model"
    raise UsageError(
        f"--sample-rate {text!r} is no rate.", hint="Use source, model or a number of Hz."
    )


def _spelled(name: str, value: str) -> str:
    option = "--" + name.replace("_", "-")
    # Switches like --flac have their value in their name.
    return option if name in ("flac", "mp3", "int24", "float32") else f"{option} {value}"
