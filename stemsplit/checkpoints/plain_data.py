"""JSON, YAML and the insides of pickles as plain values, of a size that is known before any use.

A text of 426 bytes can stand for a billion values: aliases of YAML and the memo of a pickle let
lists share their items. Whatever goes on to read, copy, compare or print such values would take
that much time, so they are counted one by one, and refused, before anything else is done to them.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

import yaml

from stemsplit.quoting import quoted, reason

MAX_VALUES = 1 << 16
MAX_CHARACTERS = 1 << 22
MAX_DEPTH = 16
_MAX_DIGITS = 64
_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_TUPLE = "tag:yaml.org,2002:python/tuple"
_TAGS = {
    *_NUMBERS,
    _TUPLE,
    *(f"tag:yaml.org,2002:{kind}" for kind in ("str", "bool", "null", "timestamp", "seq", "map")),
    *(f"tag:yaml.org,2002:{kind}" for kind in ("merge", "value")),
}

_log = logging.getLogger(__name__)

Parts = Callable[[Any], tuple[int, Collection[Any]]]
"""Of a value, how many characters it takes by itself, and the values that it is made of."""


def check_extent(root: object, parts: Parts | None = None) -> None:
    """Raises ValueError where `root` stands for more values than a configuration ever has.

    What is shared counts as often as it is met; what contains itself is never finished.
    """
    parts = parts or parts_of_value
    pending = [(root, 0)]
    num_values, num_characters = 1, 0
    while pending:
        value, depth = pending.pop()
        size, children = parts(value)
        num_values += len(children)
        num_characters += size
        if num_values > MAX_VALUES:
            raise ValueError(f"it has more than {MAX_VALUES} values")
        if num_characters > MAX_CHARACTERS:
            raise ValueError(f"it has more than {MAX_CHARACTERS} characters")
        if children and depth >= MAX_DEPTH:
            raise _too_deep()
        pending.extend((child, depth + 1) for child in children)


def parse_json(data: bytes | str) -> object:
    """The values that a text of JSON stands for.

    Raises:
        ValueError: it is none, or stands for too many values.
    """
    doubled = _DoubledNames()

    def with_names(pairs: list[tuple[str, object]]) -> dict[str, object]:
        doubled.look_for([name for name, _ in pairs])
        return dict(pairs)

    try:
        document = json.loads(data, object_pairs_hook=with_names)
    except RecursionError as error:
        raise _too_deep() from error
    check_extent(document)
    return document


def parse_yaml(data: bytes | str, *, only_texts: bool = False) -> object:
    """The values that a text of YAML stands for: those of the standard's own kinds, and tuples.

    Training software writes its tuples under a tag of Python's. All other tags are refused. With
    `only_texts` numbers and the like stay texts.

    Raises:
        ValueError: it is none, has other tags, or stands for too many values.
    """
    try:
        # A loader looks at the encoding as soon as it is made.
        return (_TextLoader if only_texts else _ValueLoader)(data).get_single_data()
    except (yaml.YAMLError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
        raise ValueError(reason(error)) from error


class _DoubledNames:
    """Says once of a document that a name is there twice in one place.

    The programs that write such files take the last value, and so does whoever reads here.
    """

    def __init__(self) -> None:
        self._is_said = False

    def look_for(self, names: list[str]) -> None:
        if self._is_said or len(set(names)) == len(names):
            return
        (name, _), *_ = Counter(names).most_common(1)
        _log.warning("%s is given more than once: the last value counts.", quoted(name))
        self._is_said = True


class _Checked:
    """For a loader: looks at the document when it is parsed, and nothing is constructed yet."""

    def get_single_node(self) -> yaml.Node | None:
        self._depth = 0
        self._doubled = _DoubledNames()
        node: yaml.Node | None = super().get_single_node()  # type: ignore[misc]
        if node is not None:
            check_extent(node, _parts_of_node)
        return node

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _too_deep()
        node: yaml.Node | None = super().compose_node(parent, index)  # type: ignore[misc]
        self._depth -= 1
        return node

    def compose_mapping_node(self, anchor: object) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)  # type: ignore[misc]
        # Merged mappings are there as often as one likes.
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        self._doubled.look_for([name for name in names if name != "<<"])
        return node


class _ValueLoader(_Checked, yaml.SafeLoader):
    pass


class _TextLoader(_Checked, yaml.BaseLoader):
    pass


def _construct_tuple(loader: yaml.SafeLoader, node: yaml.Node) -> tuple[object, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise ValueError("a tuple has no items")
    return tuple(loader.construct_sequence(node, deep=True))


_ValueLoader.add_constructor(_TUPLE, _construct_tuple)


def _parts_of_node(node: yaml.Node) -> tuple[int, Collection[yaml.Node]]:
    if node.tag not in _TAGS:
        raise ValueError(f"it has the tag {quoted(node.tag)}, which stands for no plain value")
    if isinstance(node, yaml.ScalarNode):
        if node.tag in _NUMBERS and len(node.value) > _MAX_DIGITS:
            raise ValueError(f"a number has {len(node.value)} digits")
        return len(node.value), ()
    if isinstance(node, yaml.MappingNode):
        if not all(isinstance(key, yaml.ScalarNode) for key, _ in node.value):
            raise ValueError("a list or a mapping stands where a name should")
        return 0, [part for pair in node.value for part in pair]
    return 0, node.value


def parts_of_value(value: object) -> tuple[int, Collection[object]]:
    """The `Parts` of plain values."""
    if isinstance(value, str | bytes):
        return len(value), ()
    if isinstance(value, int):
        return value.bit_length() // 3, ()
    if isinstance(value, Mapping):
        return 0, [*value.keys(), *value.values()]
    return (0, value) if isinstance(value, list | tuple | set | frozenset) else (0, ())


def _too_deep() -> ValueError:
    return ValueError(f"its values are nested more than {MAX_DEPTH} deep")
