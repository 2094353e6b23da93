"""The arrays of a NumPy archive (`.npz`), of numbers alone: nothing in it is unpickled.

What an entry claims is compared with what it has before memory is taken for it.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import torch
from numpy.lib import format as npy
from torch import Tensor

from stemsplit.checkpoints.zip_archive import open_archive
from stemsplit.errors import CheckpointError
from stemsplit.files import open_regular
from stemsplit.quoting import quoted, reason

MAX_EXPANSION = 8
"""How many times its own size a compressed archive may hold: weights hardly shrink."""
_MAX_HEADER_BYTES = 1 << 12
_PIECE_BYTES = 1 << 20
_KINDS = "fiub"  # floating point, integers, bool


def read_npz(path: Path) -> dict[str, Tensor]:
    """The arrays by name, as tensors of their own types.

    Raises:
        CheckpointError: the file is damaged, is no such archive, or holds something else.
    """
    with _readable(path), open_regular(path) as file, open_archive(file) as archive:
        entries = archive.infolist()
        names = [entry.filename.removesuffix(".npy") for entry in entries]
        num_bytes = path.stat().st_size
        if sum(entry.file_size for entry in entries) > MAX_EXPANSION * num_bytes:
            raise ValueError("its entries are far larger than the file")
        tensors: dict[str, Tensor] = {}
        for name, entry in zip(names, entries, strict=True):
            with archive.open(entry) as content:
                tensors[name] = _read_array(content, name, entry.file_size)
        return tensors


def _read_array(file: IO[bytes], name: str, num_bytes: int) -> Tensor:
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{quoted(name)} has the version {version}")
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, is_fortran, dtype = read_header(file, max_header_size=_MAX_HEADER_BYTES)
    if dtype.kind not in _KINDS or math.prod(shape) * dtype.itemsize > num_bytes:
        raise ValueError(f"{quoted(name)} is no array of numbers that is all there")
    content = b"".join(iter(lambda: file.read(_PIECE_BYTES), b""))  # no more than `num_bytes`
    if len(content) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{quoted(name)} has {len(content)} bytes")
    array = np.frombuffer(content, dtype).reshape(shape, order="F" if is_fortran else "C")
    return torch.from_numpy(array.astype(dtype.newbyteorder("="), order="C", copy=True))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError, TypeError, LookupError, RuntimeError) as error:
        raise _damaged(path, error) from error
    except (zipfile.BadZipFile, NotImplementedError, SyntaxError, MemoryError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} is not a readable NumPy archive ({reason(error)}).",
        hint="Download or copy it again.",
    )
