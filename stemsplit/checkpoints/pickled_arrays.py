"""NumPy arrays and numbers inside a pickle, whose bytes are in the stream itself.

NumPy writes an empty array and then its state: version, shape, type, order and content; of a
number, type and content. Few names are known, none of which is ever called; arrays of Python
objects are refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from stemsplit.checkpoints.pickle_values import Opaque

ARRAY = "numpy.ndarray"

_MAX_DIMENSIONS = 8
_DTYPES = {
    "f2": torch.float16,
    "f4": torch.float32,
    "f8": torch.float64,
    "i1": torch.int8,
    "i2": torch.int16,
    "i4": torch.int32,
    "i8": torch.int64,
    "u1": torch.uint8,
    "b1": torch.bool,
}


class ArrayType:
    """A `numpy.dtype`, which tells its byte order only once it is there."""

    def __init__(self, name: Any, *_: Any) -> None:
        if name not in _DTYPES:
            raise ValueError("an array is not made of numbers")
        self.dtype = _DTYPES[name]

    def set_state(self, state: Any) -> None:
        """Takes (version, byte order, and what only structured types have)."""
        match state:
            case (int(), "<" | "|", None, None, None, *_):
                return
        raise ValueError("an array has an impossible type")


class ArrayRecord:
    """A `numpy.ndarray` that is told its content after it was made; `tensor` is None until then."""

    def __init__(self, kind: Any, *_: Any) -> None:
        if kind != Opaque(ARRAY):
            raise ValueError("an array is of another class than NumPy's")
        self.tensor: Tensor | None = None

    def set_state(self, state: Any) -> None:
        """Takes (version, shape, type, whether the first axis varies fastest, content)."""
        match state:
            case (int(), tuple(shape), ArrayType(dtype=dtype), bool(is_fortran), bytes(content)):
                self.tensor = _tensor(shape, dtype, content, is_fortran=is_fortran)
            case _:
                raise ValueError("an array has an impossible state")


def scalar_value(kind: Any, content: Any) -> int | float | bool:
    """The Python number that stands for one of NumPy's, of that type and with these bytes."""
    if not isinstance(kind, ArrayType) or not isinstance(content, bytes):
        raise ValueError("a number has an impossible type")
    value: int | float | bool = _tensor((), kind.dtype, content, is_fortran=False).item()
    return value


def _tensor(
    shape: tuple[Any, ...], dtype: torch.dtype, content: bytes, *, is_fortran: bool
) -> Tensor:
    sizes_are_right = all(isinstance(size, int) and 0 <= size < 1 << 48 for size in shape)
    if len(shape) > _MAX_DIMENSIONS or not sizes_are_right:
        raise ValueError("an array has an impossible shape")
    if math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError("an array has not as many bytes as its shape needs")
    if not content:
        return torch.empty(shape, dtype=dtype)
    flat = torch.frombuffer(bytearray(content), dtype=dtype)
    if not is_fortran:
        return flat.reshape(shape)
    return flat.reshape(shape[::-1]).permute(*reversed(range(len(shape))))


# NumPy 2 has renamed where its functions are.
ARRAY_CALLS: dict[str, Callable[..., object]] = {"numpy.dtype": ArrayType} | {
    f"numpy.{core}.multiarray.{name}": call
    for core in ("core", "_core")
    for name, call in (("_reconstruct", ArrayRecord), ("scalar", scalar_value))
}
"""By the name of the function, which is never called, what its arguments stand for."""
