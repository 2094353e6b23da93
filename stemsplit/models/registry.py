"""Networks built from the contents of checkpoints.

A checkpoint names its class as text. The text is looked up in the table of families and nowhere
else: nothing is ever imported or called by a name that came from a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from stemsplit.errors import CheckpointError
from stemsplit.models.families import FAMILIES, Arguments, Family
from stemsplit.models.spec import Model
from stemsplit.quoting import listed, quoted, reason

_NUM_SHOWN = 3


def build_model(
    class_name: str,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    tensors: Mapping[str, Tensor],
) -> Model:
    """A network ready to run: a `torch.nn.Module` on the CPU, float32, eval mode, no gradients.

    `class_name`, `args`, `kwargs` and `tensors` are a checkpoint's contents; of families that come
    with a configuration file, `kwargs` are what it says. Tensors that are
    float32 already are used as they are, not copied. Arguments that the class does not have are
    dropped with a warning in the log.

    Raises:
        CheckpointError: the class is unknown, an argument is invalid or asks for a variant that
            is not implemented, or the tensors are not exactly those of the network.
    """
    family = FAMILIES.get(class_name)
    if family is None:
        raise CheckpointError(
            f"The checkpoint holds a network of the class {quoted(class_name)}.",
            hint=f"Known are: {', '.join(sorted(FAMILIES))}.",
        )
    network = _build(family, class_name, Arguments(args, kwargs, tensors.keys()))
    adapted = family.adapt(tensors, network)
    _check_tensors(class_name, expected=network.state_dict(), found=adapted)
    weights = {name: tensor.to(torch.float32) for name, tensor in adapted.items()}
    network.load_state_dict(weights, strict=True, assign=True)
    network.eval().requires_grad_(False)
    return cast(Model, network)  # as all families are


class _NoInitialisation(TorchFunctionMode):
    """Turns the functions of `torch.nn.init` into nothing, in this thread, while it is entered."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == torch.nn.init.__name__:
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        return func(*args, **kwargs)


def _build(family: Family, class_name: str, arguments: Arguments) -> nn.Module:
    # On the meta device parameters are shapes: nothing is allocated before the checkpoint has been
    # found to hold exactly these shapes. To construct the full-size HTDemucs the first time took
    # (2 shared cores) 0.3 s on the CPU; 1.0 s on meta, where the first initialisation imports
    # sympy; 0.04 s on meta without initialisation.
    try:
        with _NoInitialisation(), torch.device("meta"):
            return family.build(arguments)
    except ValueError as error:
        raise CheckpointError(
            f"No {class_name} can be built with this checkpoint's arguments: {reason(error)}.",
            hint="The file is damaged, or made for another version of the network.",
        ) from error


def _check_tensors(
    class_name: str, *, expected: Mapping[str, Tensor], found: Mapping[str, Tensor]
) -> None:
    missing = [name for name in expected if name not in found]
    surplus = [name for name in found if name not in expected]
    misshapen = [
        f"{name} {list(found[name].shape)}, not {list(tensor.shape)}"
        for name, tensor in expected.items()
        if name in found and found[name].shape != tensor.shape
    ]
    not_real = [
        f"{name} ({tensor.dtype})"
        for name, tensor in found.items()
        if not tensor.dtype.is_floating_point
    ]
    problems = [
        f"{what}: {listed(names, _NUM_SHOWN)}"
        for what, names in (
            ("missing tensors", missing),
            ("unexpected tensors", surplus),
            ("wrong shapes", misshapen),
            ("not floating-point", not_real),
        )
        if names
    ]
    if problems:
        raise CheckpointError(
            f"The checkpoint does not fit its class {class_name}; {'; '.join(problems)}.",
            hint="The file is damaged, or made for another version of the network.",
        )
