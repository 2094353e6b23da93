"""The constructor arguments that a checkpoint carries, read with suspicion.

A published checkpoint stores no architecture, only the arguments its author's class was called
with. They come from a file, so nothing here is trusted: types and ranges are checked, and what
would ask for an absurd amount of memory or time is refused before anything is allocated.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeVar

from stemsplit.errors import CheckpointError
from stemsplit.quoting import listed, quoted

MAX_LAYER_CHANNELS = 16384
"""No layer of any network is wider: what the product of valid arguments may come to."""

Choice = TypeVar("Choice", bound="str | None")

_log = logging.getLogger(__name__)

_DAMAGED = "The file is damaged or is not a checkpoint of this network; fetch it again."

# Stem names become file names.
_STEM_NAME = re.compile(r"\w[\w +.-]{0,63}")
_MAX_STEMS = 64
_MAX_LIST_LENGTH = 4096
_MAX_SEGMENT_SECONDS = 600
_MIN_CHUNK_SAMPLES = 16


class Arguments:
    """`args` and `kwargs` bound to the names of a `signature`, to be read one by one.

    A keyword that the signature does not have is dropped with a warning in the log: published
    checkpoints carry leftovers of their training code, and the reference implementation drops
    them too.

    Raises:
        CheckpointError: from every method, when a value is missing, or of the wrong type or size.
    """

    def __init__(
        self,
        family: str,
        signature: Sequence[str],
        args: Sequence[object],
        kwargs: Mapping[str, object],
    ) -> None:
        if len(args) > len(signature):
            raise CheckpointError(
                f"The {family} checkpoint has {len(args)} positional arguments; "
                f"the network takes {len(signature)}.",
                hint=_DAMAGED,
            )
        positional = dict(zip(signature, args))  # noqa: B905 - fewer arguments than names is usual
        doubled = sorted(positional.keys() & kwargs.keys())
        if doubled:
            raise CheckpointError(
                f"The {family} checkpoint gives {quoted(doubled[0])} twice.", hint=_DAMAGED
            )
        unknown = [name for name in kwargs if name not in signature]
        if unknown:
            _log.warning(
                "%s checkpoint: dropped the arguments %s, which the network does not have",
                family,
                listed(map(quoted, unknown)),
            )
        self._family = family
        self._values = {**positional, **kwargs}

    @classmethod
    def chosen(cls, family: str, names: Sequence[str], section: Mapping[str, object]) -> Arguments:
        """Those of a file's section that have these names: the rest is about other things."""
        return cls(family, names, (), {name: section[name] for name in names if name in section})

    def flag(self, name: str, default: object) -> bool:
        """The bool called `name`."""
        value = self._values.get(name, default)
        if not isinstance(value, bool):
            raise self._error(name, value, "true or false")
        return value

    def integer(self, name: str, default: object, *, low: float, high: float) -> int:
        """The int called `name`, in [low, high]."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._error(name, value, f"a whole number from {low} to {high}")
        return value

    def number(self, name: str, default: object, *, low: float, high: float) -> float:
        """The finite number called `name`, in [low, high]; an int stays an int."""
        value = self._values.get(name, default)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            raise self._error(name, value, f"a number from {low} to {high}")
        return value

    def integers(
        self, name: str, default: object, *, low: float, high: float, length: int | None = None
    ) -> tuple[int, ...]:
        """The list of ints called `name`, each in [low, high]: `length` of them, or one or more."""
        value = self._list(name, default, length)
        for item in value:
            if isinstance(item, bool) or not isinstance(item, int) or not low <= item <= high:
                raise self._error(name, value, f"a list of whole numbers from {low} to {high}")
        return tuple(value)

    def numbers(
        self, name: str, default: object, *, low: float, high: float, length: int | None = None
    ) -> tuple[float, ...]:
        """The list of finite numbers called `name`, each in [low, high]; as `integers`."""
        value = self._list(name, default, length)
        for item in value:
            if isinstance(item, bool) or not isinstance(item, int | float):
                raise self._error(name, value, "a list of numbers")
            if not low <= item <= high:
                raise self._error(name, value, f"a list of numbers from {low} to {high}")
        return tuple(value)

    def is_none(self, name: str, default: object = None) -> bool:
        """True if `name` is None, or absent where `default` is."""
        return self._values.get(name, default) is None

    def choice(self, name: str, default: object, choices: Sequence[Choice]) -> Choice:
        """The one of `choices` that `name` says."""
        value = self._values.get(name, default)
        if isinstance(value, str | None):
            for each in choices:
                if value == each:
                    return each
        raise self._error(name, value, " or ".join(map(str, choices)))

    def stems(self, name: str = "sources") -> tuple[str, ...]:
        """The list of stem names called `name`."""
        value = self._values.get(name)
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= _MAX_STEMS:
            raise self._error(name, value, f"a list of 1 to {_MAX_STEMS} stem names")
        for stem in value:
            if not isinstance(stem, str) or not _STEM_NAME.fullmatch(stem):
                raise self._error(name, value, "a list of names that can be file names")
        if len(set(value)) != len(value):
            raise self._error(name, value, "a list of different stem names")
        return tuple(value)

    def stem(self, name: str, default: object) -> str:
        """The stem name called `name`."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or not _STEM_NAME.fullmatch(value):
            raise self._error(name, value, "a name that can be a file name")
        return value

    def chunk_samples(self, default_seconds: int, *, sample_rate: int) -> int:
        """Number of samples of the argument `segment`, in seconds: int, float or Fraction.

        The product is formed in the type that the file has, as the reference does: 39/5 s at
        44100 Hz are 343980 samples, exactly.
        """
        value = self._values.get("segment", default_seconds)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float | Fraction)
            or not math.isfinite(value)
            or not 0 < value <= _MAX_SEGMENT_SECONDS
            or sample_rate * value < _MIN_CHUNK_SAMPLES
        ):
            raise self._error(
                "segment",
                value,
                f"a number of seconds up to {_MAX_SEGMENT_SECONDS}, "
                f"and at least {_MIN_CHUNK_SAMPLES} samples",
            )
        return int(sample_rate * value)

    def require(self, name: str, default: object, supported: object) -> None:
        """Refuses the checkpoint unless `name` has the only value that stemsplit implements.

        An empty list counts as None, the other way of saying "none of it".
        """
        value = self._values.get(name, default)
        normal = None if isinstance(value, list | tuple) and not value else value
        if not isinstance(normal, bool | int | float | str | None) or normal != supported:
            raise CheckpointError(
                f"The {self._family} checkpoint has {name}={quoted(value)}; "
                f"stemsplit implements only {name}={quoted(supported)}.",
                hint="Use another checkpoint, or the software that this one was made with.",
            )

    def require_all(self, supported: Mapping[str, object]) -> None:
        """As `require`, of arguments whose default is what is supported."""
        for name, value in supported.items():
            self.require(name, value, value)

    def _list(self, name: str, default: object, length: int | None) -> Sequence[Any]:
        value = self._values.get(name, default)
        if not isinstance(value, list | tuple) or not 1 <= len(value) <= _MAX_LIST_LENGTH:
            raise self._error(name, value, f"a list of 1 to {_MAX_LIST_LENGTH} numbers")
        if length is not None and len(value) != length:
            raise self._error(name, value, f"a list of {length} numbers")
        return value

    def _error(self, name: str, value: object, wanted: str) -> CheckpointError:
        return CheckpointError(
            f"The {self._family} checkpoint has {name}={quoted(value)}; expected {wanted}.",
            hint=_DAMAGED,
        )
