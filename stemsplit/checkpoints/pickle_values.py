"""What a pickle's calls stand for that are data: text, sets, fractions; and what all others are."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from stemsplit.quoting import quoted

MAX_NAME = 1024
"""Characters of a key, and of the name of a class."""
_MAX_KEY_PARTS = 16
_MAX_KEY_BITS = 48
"""An address: PyTorch once wrote those of parameters, for the optimizer. Keys of 61 bits and more
could be made to have the same hash, each and every one of them."""
_SCALARS = (str, int, float, bool, bytes, type(None))


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that is not data: the dotted name of a class or function, or of what it made."""

    name: str


@dataclass(slots=True)
class Attributes:
    """An object that is nothing but its attributes, as what a command line was parsed into."""

    values: dict[str, Any] = field(default_factory=dict)

    def set_state(self, state: object) -> None:
        if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
            raise ValueError("the attributes of an object are no names with values")
        self.values = state


def checked_key(key: object) -> object:
    """A key that hashes and compares at once: tuples hash all that is in them, every time."""
    parts = key if isinstance(key, tuple) else (key,)
    if len(parts) > _MAX_KEY_PARTS:
        raise ValueError("a key has absurdly many parts")
    for part in parts:
        if not isinstance(part, (*_SCALARS, Opaque)):
            raise ValueError(f"a {type(key).__name__} is used as a key")
        size = len(part) if isinstance(part, str | bytes) else 0
        bits = part.bit_length() if isinstance(part, int) else 0
        if size > MAX_NAME or bits > _MAX_KEY_BITS:
            raise ValueError("a key is absurdly long")
    return key


def _size(lengths: Any) -> tuple[Any, ...]:
    return tuple(_items(lengths))


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
    return {checked_key(key): value for key, value in map(_items, _items(pairs))}


def _set(items: Any = ()) -> set[Any]:
    return {checked_key(item) for item in _items(items)}


def _items(values: Any) -> Any:
    """A list's or tuple's items; a tensor's would be one object for each of its elements."""
    if not isinstance(values, (list, tuple)):
        raise ValueError(f"a {type(values).__name__} stands where a list should")
    return values


def _encoded(text: Any, encoding: Any) -> bytes:
    """The bytes that protocol 2, which has none, writes as latin-1 text."""
    if not isinstance(text, str) or encoding != "latin1":
        raise ValueError("bytes are not written as latin-1 text")
    return text.encode("latin-1")


def _fraction(numerator: Any, denominator: Any = 1) -> Fraction:
    """A fraction from its text (as Python up to 3.11 pickles it) or from two integers (later)."""
    if isinstance(numerator, str):
        if not re.fullmatch(r"-?\d{1,30}(/\d{1,30})?", numerator, re.ASCII):
            raise ValueError(f"{quoted(numerator)} is not a fraction")
        return Fraction(numerator)
    if not isinstance(numerator, int) or not isinstance(denominator, int):
        raise ValueError("a fraction is made of something else than integers")
    return Fraction(numerator, denominator)


DATA_CALLS: dict[str, Callable[..., object]] = {
    "collections.OrderedDict": _ordered_dict,
    "fractions.Fraction": _fraction,
    "torch.Size": _size,
    "builtins.set": _set,
    "__builtin__.set": _set,
    "_codecs.encode": _encoded,
}
"""By the name of the function, which is never called, what its arguments stand for."""
ATTRIBUTE_CLASSES = {"argparse.Namespace"}
"""Those whose instances are `Attributes`."""
