"""The files beside weights that say how their network is built, read as plain data.

They come from strangers. YAML is read by the safe loader, which knows the types of the YAML
standard and constructs nothing else, and by one constructor more: training software writes its
tuples under a tag of Python's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from stemsplit.errors import CheckpointError
from stemsplit.hub.digest import readable

MAX_CONFIGURATION_BYTES = 1 << 18
_MAX_VALUES = 1 << 16
_HINT = "Fetch it again, or use the file that belongs to this checkpoint."


class _Loader(yaml.SafeLoader):
    """The safe loader, and tuples."""


def _construct_tuple(loader: yaml.SafeLoader, node: yaml.Node) -> tuple[object, ...]:
    if not isinstance(node, yaml.SequenceNode):
        raise yaml.constructor.ConstructorError(None, None, "a tuple without items")
    return tuple(loader.construct_sequence(node, deep=True))


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", _construct_tuple)


def read_configuration(path: Path) -> dict[str, object]:
    """The content of a `.yaml` file, or of a `.json` file.

    Raises:
        CheckpointError: it cannot be read, is too large, or holds anything but names and values.
    """
    with readable(path), path.open("rb") as file:
        data = file.read(MAX_CONFIGURATION_BYTES + 1)
    return parse_configuration(data, str(path), is_json=path.suffix == ".json")


def parse_configuration(data: bytes, origin: str, *, is_json: bool = False) -> dict[str, object]:
    """What `data`, the content of a configuration file, says. `origin` is for messages.

    Raises:
        CheckpointError: as `read_configuration`.
    """
    if len(data) > MAX_CONFIGURATION_BYTES:
        raise CheckpointError(
            f"{origin} is over {MAX_CONFIGURATION_BYTES} bytes, too large for a configuration."
        )
    try:
        document = json.loads(data) if is_json else yaml.load(data, Loader=_Loader)
        _count_values(document)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{origin} is not a readable configuration ({reason}).", hint=_HINT
        ) from error
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise CheckpointError(f"{origin} holds no names with values.", hint=_HINT)
    return document


def _count_values(document: object) -> None:
    """Raises ValueError where aliases of YAML stand for more values than anyone could use."""
    pending = [document]
    num_values = 0
    while pending:
        value = pending.pop()
        num_values += 1
        if num_values > _MAX_VALUES:
            raise ValueError(f"it has more than {_MAX_VALUES} values")
        if isinstance(value, Mapping):
            pending.extend(value.values())
        elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            pending.extend(value)
