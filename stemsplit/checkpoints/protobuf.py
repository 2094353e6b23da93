"""The wire format of protocol buffers: the fields of a message, one by one, and nothing more.

https://protobuf.dev/programming-guides/encoding/. A message says of each field its number and how
long it is, not what it means: that is for the reader to know.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_FIELDS = 1 << 20
"""Of a message and all messages in it: what a reader may be made to look at."""
MAX_NAME_BYTES = 1024

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10


class DamagedMessageError(ValueError):
    """The bytes are no message, or not the one that was expected."""


@dataclass(slots=True)
class _Budget:
    num_fields: int = field(default_factory=lambda: MAX_FIELDS)

    def spend(self) -> None:
        self.num_fields -= 1
        if self.num_fields < 0:
            raise DamagedMessageError(f"it has more than {MAX_FIELDS} fields")


class Message:
    """Bytes that may be a message; or a text, or raw data: only the reader knows.

    Raises:
        DamagedMessageError: from every method, when they are not what they are taken for.
    """

    def __init__(self, data: memoryview, budget: _Budget | None = None) -> None:
        self.data = data
        self._budget = budget or _Budget()

    def __iter__(self) -> Iterator[tuple[int, int | Message]]:
        """Number and value of each field, in order.

        Of a varint or a field of fixed width the value is an unsigned number, of any other a
        `Message`.
        """
        position = 0
        while position < len(self.data):
            self._budget.spend()
            key, position = varint(self.data, position)
            number, kind = key >> 3, key & 7
            if number == 0:
                raise DamagedMessageError("a field has no number")
            if kind == _VARINT:
                value, position = varint(self.data, position)
                yield number, value
                continue
            if kind == _BYTES:
                size, position = varint(self.data, position)
            else:
                size = _FIXED_SIZES.get(kind, len(self.data))  # no other kind is in use
            if size > len(self.data) - position:
                raise DamagedMessageError(f"field {number} reaches beyond its message")
            content = self.data[position : position + size]
            position += size
            if kind == _BYTES:
                yield number, Message(content, self._budget)
            else:
                yield number, int.from_bytes(content, "little")

    def varints(self) -> Iterator[int]:
        """The numbers of a packed repeated field."""
        position = 0
        while position < len(self.data):
            self._budget.spend()
            number, position = varint(self.data, position)
            yield number

    def text(self) -> str:
        """The bytes as text, of a length that a name may have."""
        if len(self.data) > MAX_NAME_BYTES:
            raise DamagedMessageError(f"a name has {len(self.data)} bytes")
        try:
            return bytes(self.data).decode()
        except UnicodeDecodeError as error:
            raise DamagedMessageError("a name is no text") from error


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """The number that begins at `position`, and where it ends.

    Raises:
        DamagedMessageError: it has no end.
    """
    number = 0
    for index, byte in enumerate(data[position : position + _MAX_VARINT_BYTES]):
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80 and number < 1 << 64:
            return number, position + index + 1
    raise DamagedMessageError("a number does not end")


def nested(value: int | Message) -> Message:
    """The value of a field that must not be a number.

    Raises:
        DamagedMessageError: it is one.
    """
    if isinstance(value, int):
        raise DamagedMessageError("a number stands where a message should be")
    return value


def integers(value: int | Message) -> list[int]:
    """The int64s of a repeated field: one, or several packed together."""
    unsigned = [value] if isinstance(value, int) else value.varints()
    return [number - (1 << 64) if number >= 1 << 63 else number for number in unsigned]


def float32(value: int | Message) -> float:
    """The float that a field of four bytes stands for.

    Raises:
        DamagedMessageError: it is no such field.
    """
    if not isinstance(value, int) or value >= 1 << 32:
        raise DamagedMessageError("a number is not of four bytes")
    (number,) = struct.unpack("<f", value.to_bytes(4, "little"))
    return float(number)
