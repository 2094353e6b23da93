"""A pickle read as data. Nothing in it is imported, called or constructed.

The stream's opcodes are walked one by one, and only plain values come out: containers, numbers,
text, fractions, tensors, and the attributes of a parsed command line. Every class or function that
the pickle names, and whatever else it would have built with it, becomes an inert `Opaque` with the
dotted name. So a checkpoint that holds the class of its network gives us that name to look up, and
a hostile one gives us a name and no more.

One byte of a pickle can make an object of two hundred, or a copy of millions of bytes. So its steps
are counted, and what they copy; what a step hashes or compares is short.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import IO, Any, Protocol

from stemsplit.checkpoints.pickle_values import (
    ATTRIBUTE_CLASSES,
    DATA_CALLS,
    MAX_NAME,
    Attributes,
    Opaque,
    checked_key,
)
from stemsplit.checkpoints.pickled_arrays import ARRAY_CALLS, ArrayRecord, ArrayType
from stemsplit.errors import CheckpointError
from stemsplit.quoting import reason

MAX_TENSOR_DIMENSIONS = 8
MAX_STEPS = 1 << 20
"""Opcodes of one pickle. A tensor takes 35, so this is enough for thirty thousand."""
MAX_COPIED_BYTES = 1 << 27
"""Of lists and texts, that all the calls of a pickle may copy. An item of a list is a pointer."""
_POINTER_BYTES = 8
_MAX_INTEGER_BITS = 256
# The last: pickletools undoes escapes in names, and Python warns about those that do not exist.
_DAMAGE = (
    *(ValueError, TypeError, LookupError, ArithmeticError, RecursionError),
    DeprecationWarning,
)
_SIZED = (str, bytes, list, tuple, dict, set, frozenset)
_CONSTANTS: dict[str, object] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], object]] = {
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
    "EMPTY_TUPLE": tuple,
}
_TUPLE_SIZES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUT = {"PUT", "BINPUT", "LONG_BINPUT"}
_GET = {"GET", "BINGET", "LONG_BINGET"}
_NOTHING = {"PROTO", "FRAME"}
# Opcodes whose argument, as pickletools decodes it, is the value.
_LITERALS = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE"),
    *("BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}


class TensorSource(Protocol):
    """What turns a pickle's persistent ids and tensor records into tensors."""

    def storage(self, persistent_id: object) -> object: ...

    def tensor(self, storage: object, offset: int, size: Any, stride: Any) -> object: ...


def read_pickle(file: IO[bytes], tensors: TensorSource) -> object:
    """The one value that the pickle at the file's position describes; the file is left behind it.

    Raises:
        CheckpointError: the stream is damaged or uses something that no checkpoint needs.
    """
    walker = _Walker(tensors)
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            if opcode.name == "STOP":
                return walker.result()
            if number >= MAX_STEPS:
                raise ValueError(f"it has more than {MAX_STEPS} steps")
            walker.step(opcode.name, argument)
    except _DAMAGE as error:
        raise CheckpointError(f"its pickle is damaged ({reason(error)}).") from error
    raise CheckpointError("its pickle has no end.")


class _Walker:
    """The pickle machine's stack and memo, for the opcodes that describe data."""

    def __init__(self, tensors: TensorSource) -> None:
        self._tensors = tensors
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._copied_bytes = 0

    def result(self) -> object:
        if self._marked or len(self._stack) != 1:
            raise ValueError("it ends in the middle of a value")
        return _finished(self._stack[0])

    def step(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in _LITERALS:
            stack.append(_checked_literal(argument))
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _TUPLE_SIZES:
            stack.append(tuple(self._pop(_TUPLE_SIZES[name])))
        elif name in _PUT:
            self._memo[argument] = stack[-1]
        elif name in _GET:
            stack.append(_finished(self._memo[argument]))
        elif name not in _NOTHING:
            step = _STEPS.get(name)
            if step is None:
                raise ValueError(f"opcode {name} has no place in a checkpoint")
            step(self, argument)

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise ValueError("it takes more values than there are")
        values = self._stack[-count:]
        del self._stack[-count:]
        return values

    def _pop_to_mark(self) -> list[Any]:
        values = self._stack
        self._stack = self._marked.pop()
        return values

    def _mark(self, _: Any) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _pop_mark(self, _: Any) -> None:
        self._pop_to_mark()

    def _pop_top(self, _: Any) -> None:
        if self._stack:
            self._stack.pop()
        else:
            self._pop_to_mark()

    def _duplicate(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _memoize(self, _: Any) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _list(self, _: Any) -> None:
        self._push(self._pop_to_mark())

    def _tuple(self, _: Any) -> None:
        self._push(tuple(self._pop_to_mark()))

    def _dict(self, _: Any) -> None:
        items = self._pop_to_mark()
        self._stack.append({})
        self._set_items(items)

    def _frozenset(self, _: Any) -> None:
        self._push(frozenset(map(checked_key, self._pop_to_mark())))

    def _append(self, _: Any) -> None:
        self._extend(self._pop(1))

    def _appends(self, _: Any) -> None:
        self._extend(self._pop_to_mark())

    def _add_items(self, _: Any) -> None:
        items = self._pop_to_mark()
        self._expect(set)
        if isinstance(self._stack[-1], set):
            self._stack[-1].update(map(checked_key, items))

    def _set_item(self, _: Any) -> None:
        self._set_items(self._pop(2))

    def _set_marked_items(self, _: Any) -> None:
        self._set_items(self._pop_to_mark())

    def _extend(self, values: list[Any]) -> None:
        self._expect(list)
        if isinstance(self._stack[-1], list):
            self._stack[-1].extend(values)

    def _set_items(self, items: list[Any]) -> None:
        self._expect(dict)
        if len(items) % 2:
            raise ValueError("a key has no value")
        if isinstance(self._stack[-1], dict):
            self._stack[-1].update(zip(map(checked_key, items[::2]), items[1::2], strict=True))

    def _expect(self, kind: type) -> None:
        """Checks that items are added to a `kind`, or to an opaque object, which ignores them."""
        if not isinstance(self._stack[-1], (kind, Opaque)):
            raise ValueError(f"items for a {kind.__name__} meet a {type(self._stack[-1]).__name__}")

    def _global(self, argument: str) -> None:
        self._push_class(*argument.split(" ", 1))

    def _stack_global(self, _: Any) -> None:
        module, name = self._pop(2)
        if not isinstance(module, str) or not isinstance(name, str):
            raise ValueError("a class has no name")
        self._push_class(module, name)

    def _push_class(self, module: str, name: str) -> None:
        if len(module) + len(name) > MAX_NAME:
            raise ValueError("the name of a class is absurdly long")
        self._stack.append(Opaque(f"{module}.{name}"))

    def _persistent_id(self, _: Any) -> None:
        self._push(self._tensors.storage(self._pop(1)[0]))

    def _reduce(self, _: Any) -> None:
        function, arguments = self._pop(2)
        if not isinstance(function, Opaque) or not isinstance(arguments, tuple):
            raise ValueError("it calls what is not a function")
        self._push(self._describe_call(function, arguments))

    def _describe_call(self, function: Opaque, arguments: tuple[Any, ...]) -> object:
        """The plain value of the few calls that stand for data, else what was called."""
        if function.name in _TENSOR_CALLS:
            storage, offset, size, stride, *_ = arguments
            return self._tensors.tensor(storage, offset, size, stride)
        if function.name == "torch._utils._rebuild_parameter":
            return arguments[0]
        describe = ARRAY_CALLS.get(function.name) or DATA_CALLS.get(function.name)
        if describe is None:
            return function
        for part in arguments:
            self._count_copy(part)
        return describe(*arguments)

    def _count_copy(self, value: object) -> None:
        if isinstance(value, _SIZED):
            is_text = isinstance(value, (str, bytes))
            self._copied_bytes += len(value) * (1 if is_text else _POINTER_BYTES)
        if self._copied_bytes > MAX_COPIED_BYTES:
            raise ValueError("its calls copy absurdly much")

    def _new_object(self, _: Any) -> None:
        cls, arguments = self._pop(2)
        made = _named(cls)
        is_attributes = made.name in ATTRIBUTE_CLASSES and arguments == ()
        self._push(Attributes() if is_attributes else made)

    def _new_object_with_keywords(self, _: Any) -> None:
        self._push(_named(self._pop(3)[0]))

    def _old_object(self, _: Any) -> None:
        self._push(_named(self._pop_to_mark()[0]))

    def _old_instance(self, argument: str) -> None:
        self._pop_to_mark()
        self._global(argument)

    def _build(self, _: Any) -> None:
        (state,) = self._pop(1)
        owner = self._stack[-1]
        if isinstance(owner, (ArrayRecord, ArrayType)):
            for part in state if isinstance(state, tuple) else ():
                self._count_copy(part)
            owner.set_state(state)
            self._stack[-1] = _finished(owner)
            return
        if isinstance(owner, Attributes):
            self._count_copy(state)
            owner.set_state(state)
            return
        # Else attributes, such as the `_metadata` of a state dict: no data of ours.
        if not isinstance(owner, (Opaque, dict)):
            raise ValueError("it sets attributes on plain data")


_STEPS: dict[str, Callable[[_Walker, Any], None]] = {
    "MARK": _Walker._mark,
    "POP": _Walker._pop_top,
    "POP_MARK": _Walker._pop_mark,
    "DUP": _Walker._duplicate,
    "MEMOIZE": _Walker._memoize,
    "LIST": _Walker._list,
    "TUPLE": _Walker._tuple,
    "DICT": _Walker._dict,
    "FROZENSET": _Walker._frozenset,
    "APPEND": _Walker._append,
    "APPENDS": _Walker._appends,
    "ADDITEMS": _Walker._add_items,
    "SETITEM": _Walker._set_item,
    "SETITEMS": _Walker._set_marked_items,
    "GLOBAL": _Walker._global,
    "STACK_GLOBAL": _Walker._stack_global,
    "BINPERSID": _Walker._persistent_id,
    "REDUCE": _Walker._reduce,
    "NEWOBJ": _Walker._new_object,
    "NEWOBJ_EX": _Walker._new_object_with_keywords,
    "OBJ": _Walker._old_object,
    "INST": _Walker._old_instance,
    "BUILD": _Walker._build,
}
_TENSOR_CALLS = {"torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor"}


def _finished(value: object) -> object:
    """An array's tensor, once there is one, for the record of it: the memo has that."""
    if isinstance(value, ArrayRecord) and value.tensor is not None:
        return value.tensor
    return value


def _named(value: object) -> Opaque:
    if not isinstance(value, Opaque):
        raise ValueError("it makes an instance of what is not a class")
    return value


def _checked_literal(value: object) -> object:
    if isinstance(value, int) and value.bit_length() > _MAX_INTEGER_BITS:
        raise ValueError("an integer is absurdly large")
    return bytes(value) if isinstance(value, bytearray) else value
