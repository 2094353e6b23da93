"""Dataclasses as JSON values and back, by the types of their fields.

What is written are the values of the fields under their names. Who reads knows the type, so nothing
in a text decides what is made of it. A key that is not known is passed over, since a newer version
may have written it, and one that is missing stands for the default, since an older one may have. A
name that is no text (Linux has bytes) stays what `os.fsdecode` makes of it, which JSON takes.

A field with `metadata=CACHE` does not travel: it is made anew where it is needed. One with
`metadata=LEFT_OUT` is not written while it is at its default.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from stemsplit.errors import StemsplitError, UsageError
from stemsplit.quoting import quoted

CACHE: Mapping[str, bool] = {"is_cache": True}
LEFT_OUT: Mapping[str, bool] = {"is_left_out": True}

Count = Annotated[int, "0 or more, and exact as a float"]
_MAX_COUNT = 2**53

_LARGEST = 1e300
"""Beyond it there is no length and no level, and arithmetic is at its end."""

_MISSING = dataclasses.MISSING
_T = TypeVar("_T")
_K = TypeVar("_K")


class JsonData:
    """A dataclass that travels."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Its fields as JSON values."""
        values: dict[str, Any] = to_json(self)
        return values

    @classmethod
    def from_json(cls: type[_T], values: object) -> _T:
        """What `to_json` was made of.

        Raises:
            UsageError: a value is missing, or of the wrong type; the message has its key.
        """
        return from_json(cls, values)


class UnfitError(UsageError):
    """The value at `key` is not what is `expected` there."""

    def __init__(self, key: str, expected: str, found: object) -> None:
        got = "there is none" if found is _MISSING else f"got {quoted(found)}"
        super().__init__(f"`{key}` must be {expected}, {got}.")
        self.key = key
        self.expected = expected


def to_json(value: object) -> Any:
    """`value` with dictionaries for dataclasses and mappings, lists for tuples, text for paths."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_json(found)
            for field in _fields(type(value))
            if (found := getattr(value, field.name)) != _default_of(field)
            or not field.metadata.get("is_left_out")
        }
    if isinstance(value, Mapping):
        return {key: to_json(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(each) for each in value]
    if isinstance(value, StemsplitError):
        return {"message": value.message, "hint": value.hint}
    return str(value) if isinstance(value, Path) else value


def from_json(kind: type[_T], values: object, *, is_lenient: bool = False) -> _T:
    """A `kind` of dataclass from what `to_json` made of one.

    `is_lenient`: a value that does not fit counts as missing, and in a list or an object it is
    passed over. That is for files that anybody may have written.

    Raises:
        UnfitError: a value without a default is missing or does not fit.
    """
    made: _T = _Reader(is_lenient).read(kind, values, kind.__name__)
    return made


@dataclasses.dataclass(frozen=True, slots=True)
class _Reader:
    """Makes values of the types that are wanted. `key`: where in the whole a value stands."""

    is_lenient: bool

    def read(self, kind: Any, value: object, key: str) -> Any:
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return self._first_that_fits(arguments, value, key)
        if origin is Literal:
            is_known = isinstance(value, str) and value in arguments
            return _check(is_known, value, key, " or ".join(map(repr, arguments)))
        if origin is Annotated:
            count = self.read(int, value, key)
            return _check(0 <= count < _MAX_COUNT, value, key, "a count")
        if origin is tuple:
            return self._tuple(arguments, value, key)
        if origin is not None and issubclass(origin, Mapping):
            return self._each(arguments[1], _object(value, key).items(), key)
        if dataclasses.is_dataclass(kind):
            return self._dataclass(kind, value, key)
        return _plain(kind, value, key)

    def _first_that_fits(self, kinds: tuple[Any, ...], value: object, key: str) -> Any:
        errors = []
        for kind in kinds:
            try:
                return self.read(kind, value, key)
            except UnfitError as error:
                errors.append(error)
        within = [each for each in errors if each.key != key]  # of that kind, but for one thing
        expected = " or ".join(each.expected for each in errors)
        raise within[0] if within else UnfitError(key, expected, value)

    def _tuple(self, kinds: tuple[Any, ...], value: object, key: str) -> tuple[Any, ...]:
        items: list[Any] = _check(isinstance(value, list | tuple), value, key, "a list")
        if kinds[1:] == (...,):
            return tuple(self._each(kinds[0], enumerate(items), key).values())
        _check(len(items) == len(kinds), value, key, f"a list of {len(kinds)}")
        return tuple(
            self.read(kind, item, f"{key}.{index}")
            for index, (kind, item) in enumerate(zip(kinds, items, strict=True))
        )

    def _each(self, kind: Any, items: Iterable[tuple[_K, object]], key: str) -> dict[_K, Any]:
        made = {}
        for name, item in items:
            try:
                made[name] = self.read(kind, item, f"{key}.{name}")
            except UsageError:
                if not self.is_lenient:
                    raise
        return made

    def _dataclass(self, kind: Any, value: object, key: str) -> Any:
        values, made = _object(value, key), {}
        for field in _fields(kind):
            if field.name not in values and _has_default(field):
                continue
            where, found = f"{key}.{field.name}", values.get(field.name, _MISSING)
            try:
                made[field.name] = self.read(_types(kind)[field.name], found, where)
            except UsageError:
                if not (self.is_lenient and _has_default(field)):
                    raise
        return kind(**made)


def _plain(kind: Any, value: object, key: str) -> Any:
    """A value of a type that has no others in it."""
    if kind is Any:
        return value
    if kind is type(None):
        return _check(value is None, value, key, "null")
    if kind is bool:
        return _check(isinstance(value, bool), value, key, "true or false")
    if kind in (int, float):
        is_number = isinstance(value, (int if kind is int else (int, float)))
        fits = is_number and not isinstance(value, bool) and abs(value) < _LARGEST  # type: ignore[arg-type]
        return _check(fits, value, key, "a whole number" if kind is int else "a number")
    if issubclass(kind, StemsplitError):
        values = _object(value, key)
        return kind(str(values.get("message", "")), hint=str(values.get("hint", "")))
    text = _check(isinstance(value, str), value, key, "a text")
    return text if kind is str else kind(_check(text and "\0" not in text, value, key, "a path"))


def _object(value: object, key: str) -> Mapping[str, Any]:
    values: Mapping[str, Any] = _check(isinstance(value, Mapping), value, key, "an object")
    return values


def _check(fits: object, value: object, key: str, expected: str) -> Any:
    if not fits:
        raise UnfitError(key, expected, value)
    return value


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return _default_of(field) is not _MISSING


def _default_of(field: dataclasses.Field[Any]) -> Any:
    factory = field.default_factory
    return field.default if factory is _MISSING else factory()


@cache
def _fields(kind: type) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(kind) if not field.metadata.get("is_cache")]


def prepare(*kinds: Any) -> None:
    """Learns the types of the fields of dataclasses, and of those that are in them.

    Python evaluates them from text. A module whose dataclasses are read from files of strangers has
    it done when it is imported, and not while such a file is read.
    """
    for kind in kinds:
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            prepare(*_types(kind).values())
        else:
            prepare(*get_args(kind))


@cache
def _types(kind: type) -> dict[str, Any]:
    """The types of the fields that travel; those of others may not even be imported."""
    annotations = {field.name: field.type for field in _fields(kind)}
    return get_type_hints(
        type(kind.__name__, (), {"__annotations__": annotations, "__module__": kind.__module__}),
        include_extras=True,
    )
