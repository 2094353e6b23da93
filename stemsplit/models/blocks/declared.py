"""Configurations whose fields say which argument of a checkpoint they are, and what it may be.

    num_filters: int = arg("N", 256, low=1, high=4096)

is all that there is to say about an argument: its name, its default, its limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from stemsplit.models.blocks.arguments import Arguments

Config = TypeVar("Config")
Limit = float | Callable[[Mapping[str, Any]], float]
"""A number, or what makes one of the fields before."""

_NAME, _READ = "argument", "read"


def arg(
    name: str, default: object = None, *, low: Limit = 0, high: Limit = 0, length: int | None = None
) -> Any:
    """A field that is the argument `name`; its type says how it is read.

    `int`, `float`, `tuple[int, ...]` and `tuple[float, ...]` are numbers in [low, high], of which
    lists have one or more, or `length`; `bool` is a flag, a `Literal` one of its values (texts or
    None), `str` the name of a stem, `tuple[str, ...]` those of all. `int | None` may be left out or
    None; else it has to be given where the default is None.
    """

    def read(arguments: Arguments, kind: object, before: Mapping[str, Any]) -> object:
        if kind == int | None and arguments.is_none(name, default):
            return None
        limits = {
            key: limit(before) if callable(limit) else limit
            for key, limit in (("low", low), ("high", high))
        }
        readers: tuple[tuple[object, Callable[[], object]], ...] = (
            (int, lambda: arguments.integer(name, default, **limits)),
            (int | None, lambda: arguments.integer(name, default, **limits)),
            (float, lambda: arguments.number(name, default, **limits)),
            (bool, lambda: arguments.flag(name, default)),
            (str, lambda: arguments.stem(name, default)),
            (tuple[str, ...], lambda: arguments.stems(name)),
            (tuple[int, ...], lambda: arguments.integers(name, default, **limits, length=length)),
            (tuple[int, int], lambda: arguments.integers(name, default, **limits, length=2)),
            (tuple[float, ...], lambda: arguments.numbers(name, default, **limits, length=length)),
        )
        if get_origin(kind) is Literal:
            return arguments.choice(name, default, get_args(kind))
        return next(reader() for known, reader in readers if known == kind)

    return field(metadata={_NAME: name, _READ: read})


def segment_arg(default_seconds: int) -> Any:
    """A field that is the argument `segment`, as samples of the field `sample_rate` before it."""
    return field(
        metadata={
            _NAME: "segment",
            _READ: lambda arguments, _, before: arguments.chunk_samples(
                default_seconds, sample_rate=before["sample_rate"]
            ),
        }
    )


def names_of(kind: Any, *, besides: Any = None) -> list[str]:
    """The arguments that the fields of a configuration are, but for those of its base `besides`."""
    num_others = 0 if besides is None else len(fields(besides))
    own = fields(kind)[num_others:]
    return [each.metadata[_NAME] for each in own if _NAME in each.metadata]


def declared_reader(kind: type[Config]) -> Callable[..., Config]:
    """What makes the configuration of `Arguments` and of the fields that are given by name.

    Fields that are configurations themselves are read of the same arguments. It raises
    CheckpointError for an argument that is missing, or of the wrong type or size.

    The types of the fields are evaluated here, once, and not while a file of a stranger is read.
    """
    types = get_type_hints(kind)
    declared: tuple[Field[Any], ...] = fields(kind)  # type: ignore[arg-type]
    inner = {
        name: declared_reader(annotation)
        for name, annotation in types.items()
        if is_dataclass(annotation) and isinstance(annotation, type)
    }

    def read(arguments: Arguments, **given: object) -> Config:
        values: dict[str, Any] = dict(given)
        for each in declared:
            if each.name in values:
                continue
            if _READ in each.metadata:
                values[each.name] = each.metadata[_READ](arguments, types[each.name], values)
            elif each.name in inner:
                values[each.name] = inner[each.name](arguments)
        return kind(**values)

    return read


def reader_of(
    kind: type[Config],
    family: str,
    *,
    order: str = "",
    fixed: Mapping[str, object] = MappingProxyType({}),
    unread: Sequence[str] = (),
) -> Callable[..., Config]:
    """What makes the configuration of a checkpoint's `kwargs` and, by position, its `args`.

    It raises CheckpointError for an argument that is missing, of the wrong type or size, or asks
    for what is not implemented. `family` is for messages. `order` has the names of all arguments,
    where checkpoints may give them by position; `fixed` those of which one value is implemented;
    `unread` those that matter only to training.
    """

    read_fields = declared_reader(kind)

    def read(kwargs: Mapping[str, object], args: Sequence[object] = (), /) -> Config:
        names = order.split() or [*names_of(kind), *fixed, *unread]
        arguments = Arguments(family, names, args, kwargs)
        arguments.require_all(fixed)
        return read_fields(arguments)

    return read
