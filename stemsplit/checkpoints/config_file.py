"""The files beside weights that say how their network is built, read as plain data."""

from __future__ import annotations

from pathlib import Path

from stemsplit.checkpoints.file_errors import readable
from stemsplit.checkpoints.plain_data import parse_json, parse_yaml
from stemsplit.errors import CheckpointError
from stemsplit.files import open_regular
from stemsplit.quoting import reason

MAX_CONFIGURATION_BYTES = 1 << 18
_HINT = "Fetch it again, or use the file that belongs to this checkpoint."


def read_configuration(path: Path) -> dict[str, object]:
    """The content of a `.yaml` file, or of a `.json` file.

    Raises:
        CheckpointError: it cannot be read, is too large, or holds anything but names and values.
    """
    with readable(path), open_regular(path) as file:
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
        document = parse_json(data) if is_json else parse_yaml(data)
    except ValueError as error:
        raise CheckpointError(
            f"{origin} is not a readable configuration ({reason(error)}).", hint=_HINT
        ) from error
    if not isinstance(document, dict) or not all(isinstance(name, str) for name in document):
        raise CheckpointError(f"{origin} holds no names with values.", hint=_HINT)
    return document
