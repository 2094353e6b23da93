"""Numbers on the command line, and what is said about those that are none.

Typer's own checks speak in words that change with its release, and leave out the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from stemsplit.errors import UsageError
from stemsplit.quoting import quoted

_Number = TypeVar("_Number", int, float)

_MAX_DIGITS = 40
"""Python reads and writes thousands of digits in quadratic time, and refuses more."""


def whole(flag: str, least: int | None = None, most: int | None = None) -> Callable[[str], int]:
    """A function that reads the value of `flag` as a whole number between these limits.

    It raises UsageError for anything else.
    """
    return _reader(int, r"[+-]?\d+", "a whole number", flag, least, most)


def number(flag: str, least: float | None = None) -> Callable[[str], float]:
    """The same for numbers with decimals. Where there is no limit, `inf` and `nan` are some."""
    return _reader(float, ".+", "a number", flag, least, None)


def _reader(
    kind: Callable[[str], _Number],
    pattern: str,
    what: str,
    flag: str,
    least: _Number | None,
    most: _Number | None,
) -> Callable[[str], _Number]:
    limits = "" if least is None else f", {least:g} or more"
    if most is not None:
        limits = f" between {least} and {most}"

    def read(value: str) -> _Number:
        text = str(value).strip()  # Typer also sends defaults through here
        wrong = UsageError(f"{flag} must be {what}{limits}, got {quoted(value)}.")
        if len(text) > _MAX_DIGITS or not re.fullmatch(pattern, text, re.ASCII):
            raise wrong
        try:
            found = kind(text)
        except ValueError:
            raise wrong from None
        if (least is not None and not found >= least) or (most is not None and found > most):
            raise wrong
        return found

    return read
