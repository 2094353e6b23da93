"""Values of strangers - from files, headers, servers - as text for a message: short, always.

Written out, a value can be any number of times larger than it is in memory: lists that share their
items double with each level. So nothing is written out to be cut afterwards; only as much of a
value is looked at as will be shown.
"""

from __future__ import annotations

import datetime
import itertools
import reprlib
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

MAX_QUOTED = 80
"""Characters of one value."""

_MAX_ITEMS = 6
_MAX_DEPTH = 3
_MAX_BITS = 256
_SCALARS = (bool, float, complex, type(None), datetime.date, datetime.time, datetime.timedelta)


def quoted(value: object, most: int = MAX_QUOTED) -> str:
    """`repr(value)`, in `most` characters or fewer whatever it is. No code of the value runs."""
    return shortened(_Short(most).repr(value), most)


def listed(names: Iterable[object], most: int = 8) -> str:
    """The first few names with commas between them, each shortened, and how many more there are."""
    remaining = iter(names)
    shown = [
        shortened(name if isinstance(name, str) else quoted(name))
        for name in itertools.islice(remaining, most)
    ]
    num_more = sum(1 for _ in remaining)
    return ", ".join(shown) + (f" and {num_more} more" if num_more else "")


def counted(number: int, noun: str, nouns: str | None = None) -> str:
    """How many there are of something: "1 file", "2 files", "3 boxes" if `nouns` is "boxes"."""
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"


def shortened(text: str, most: int = MAX_QUOTED) -> str:
    """`text` itself, or its beginning and an ellipsis: `most` characters at most."""
    return text if len(text) <= most else text[: max(0, most - 1)] + "…"


def reason(error: BaseException, most: int = 200) -> str:
    """What an error says, in one short line; its class where it says nothing."""
    if isinstance(error, OSError) and error.strerror:
        return shortened(error.strerror, most)
    # An error that is not a text quotes its argument in full: KeyError({...}), for one.
    is_text = all(isinstance(argument, str) for argument in error.args)
    plain = type(error).__str__ in (BaseException.__str__, KeyError.__str__)
    text = str(error) if is_text or not plain else quoted(error.args[0], most)
    lines = text.strip().splitlines()
    return shortened(lines[0], most) if lines else type(error).__name__


class _Short(reprlib.Repr):
    """`repr` of plain values, with limits to length and depth, and of nothing else."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.maxlevel = _MAX_DEPTH
        self.maxstring = self.maxother = most
        self.maxtuple = self.maxlist = self.maxdict = _MAX_ITEMS
        self.maxset = self.maxfrozenset = _MAX_ITEMS

    def repr_int(self, x: int, level: int) -> str:
        del level
        bits = x.bit_length()  # Python refuses to write out integers of thousands of digits
        return repr(x) if bits <= _MAX_BITS else f"<integer of {bits} bits>"

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """In the order that the mapping has, which reprlib would sort."""
        if level <= 0:
            return "{...}" if x else "{}"
        pairs = [
            f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}"
            for key, value in itertools.islice(x.items(), self.maxdict)
        ]
        return f"{{{', '.join(pairs)}{', ...' if len(x) > self.maxdict else ''}}}"

    def repr_bytes(self, x: bytes, level: int) -> str:
        del level
        return repr(x[: self.maxstring])

    def repr_instance(self, x: object, level: int) -> str:
        if isinstance(x, Fraction):
            return f"{self.repr1(x.numerator, level)}/{self.repr1(x.denominator, level)}"
        return repr(x) if isinstance(x, _SCALARS) else f"<{type(x).__name__}>"
