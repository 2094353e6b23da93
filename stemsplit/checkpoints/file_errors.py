"""What goes wrong with a file, in the words of a checkpoint's error."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from stemsplit.errors import CheckpointError


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """A context in which a failure to read `path` is a CheckpointError."""
    try:
        yield
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}.") from error
