"""The families that there are, and networks built from the contents of checkpoints.

A checkpoint names its class as text. The text is looked up in the table of families and nowhere
else: nothing is ever imported or called by a name that came from a file. One that names none is of
the family that recognises it: exactly one, or it is refused rather than guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from stemsplit.errors import CheckpointError
from stemsplit.models import (
    bandsplit_rnn,
    cac_tdc,
    complex_unet,
    conv_tasnet,
    d3net,
    deepfilternet,
    demucs,
    demucs_denoiser,
    ffc_se,
    fullsubnet,
    hdemucs,
    hifi_plusplus,
    htdemucs,
    logmmse,
    mdx23c,
    mdxnet,
    metatasnet,
    mmdenselstm,
    nsnet2,
    openunmix,
    resunet,
    roformer,
    scnet,
    spectral,
    speech_tasnet,
    spexplus,
    spleeter,
    waveunet,
)
from stemsplit.models.family import (
    BuiltIn,
    Family,
    Folder,
    FolderSystem,
    Graph,
    NetworkArguments,
)
from stemsplit.models.spec import Model
from stemsplit.quoting import listed, quoted, reason

_FOLDERS = (
    htdemucs,
    hdemucs,
    demucs,
    demucs_denoiser,
    fullsubnet,
    ffc_se,
    hifi_plusplus,
    conv_tasnet,
    d3net,
    deepfilternet,
    roformer,
    scnet,
    spexplus,
    spleeter,
    mdx23c,
    mdxnet,
    mmdenselstm,
    cac_tdc,
    bandsplit_rnn,
    nsnet2,
    openunmix,
    resunet,
    speech_tasnet,
    complex_unet,
    waveunet,
    metatasnet,
    spectral,
    logmmse,
)
_ALL: tuple[Family | BuiltIn, ...] = tuple(each for folder in _FOLDERS for each in folder.FAMILIES)
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {family.name: family for family in _ALL if isinstance(family, Family)}
)
BUILT_IN: Mapping[str, BuiltIn] = MappingProxyType(
    {family.name: family for family in _ALL if isinstance(family, BuiltIn)}
)

_NUM_SHOWN = 3
_CONFIGURATION_HINT = (
    "Put its configuration beside it: a .yaml with the same name, or one called config_*.yaml."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recognized:
    """What `build_model` needs to know."""

    class_name: str
    kwargs: Mapping[str, object]
    tensors: Mapping[str, Tensor]


def recognize(
    settings: Mapping[str, object] | None, tensors: Mapping[str, Tensor], *, file_name: str
) -> Recognized:
    """The network of `tensors`, given what the configuration beside them says, None without one.

    Raises:
        CheckpointError: it is of no family that stemsplit has, or could be of several.
    """
    if settings is not None:
        name = _family_of_settings(settings, file_name)
        return Recognized(class_name=name, kwargs=settings, tensors=tensors)
    found = {name: family.bare(tensors, file_name) for name, family in FAMILIES.items()}
    fitting = {name: kwargs for name, kwargs in found.items() if kwargs is not None}
    if len(fitting) != 1:
        several = f": it could be {' or '.join(fitting)}" if fitting else ""
        raise CheckpointError(
            f"{file_name} does not say which network it is for{several}.", hint=_CONFIGURATION_HINT
        )
    ((name, kwargs),) = fitting.items()
    return Recognized(class_name=name, kwargs=kwargs, tensors=tensors)


def describes_a_network(settings: Mapping[str, object]) -> bool:
    """Whether these are a network's settings, and not those of a training that tell no network."""
    return any(family.fits(settings) for family in FAMILIES.values())


def recognize_graph(graph: Graph) -> Recognized:
    """The network that came as operations.

    Raises:
        CheckpointError: this is not a network that stemsplit has, or too little is known of it.
    """
    read = {each.name: each.graph(graph) for each in FAMILIES.values() if each.graph}
    fitting = {name: found for name, found in read.items() if found is not None}
    if len(fitting) != 1:
        several = f" It could be {' or '.join(fitting)}." if fitting else ""
        raise CheckpointError(
            f"The ONNX file is no network that stemsplit implements.{several}",
            hint=f"Such files are read of {', '.join(read)}.",
        )
    ((name, (kwargs, tensors)),) = fitting.items()
    return Recognized(class_name=name, kwargs=kwargs, tensors=tensors)


def recognize_folder(folder: Folder) -> FolderSystem | None:
    """What a folder of the layout of one of the families holds; None: it has none of these.

    Raises:
        CheckpointError: a file is missing or is there twice, or the layout is that of several.
    """
    found = {each.name: each.folder(folder) for each in FAMILIES.values() if each.folder}
    fitting = {name: system for name, system in found.items() if system is not None}
    if len(fitting) > 1:
        raise CheckpointError(
            f"{folder} could hold {' or '.join(fitting)}.", hint="Have one model in a folder."
        )
    return next(iter(fitting.values()), None)


def _family_of_settings(settings: Mapping[str, object], file_name: str) -> str:
    fitting = [name for name, family in FAMILIES.items() if family.fits(settings)]
    if len(fitting) == 1:
        return fitting[0]
    rules = "; ".join(
        f"{name} by {', '.join(family.marks)}" for name, family in FAMILIES.items() if family.marks
    )
    section = settings.get("model")
    names = section.keys() if isinstance(section, Mapping) else ()
    problem = f"fits {' and '.join(fitting)}" if fitting else "fits no family that stemsplit has"
    raise CheckpointError(
        f"The configuration of {file_name} {problem}: its section 'model' has "
        f"{listed(names) or 'nothing'}.",
        hint=f"Families are told apart by arguments of the network: {rules}. If the file relies on "
        "a default, write that argument into it.",
    )


def build_model(
    class_name: str,
    args: Sequence[object],
    kwargs: Mapping[str, object],
    tensors: Mapping[str, Tensor],
) -> Model:
    """A network ready to run: a `torch.nn.Module` on the CPU, float32, eval mode, no gradients.

    `class_name`, `args`, `kwargs` and `tensors` are a checkpoint's contents; of families that come
    with a configuration file, `kwargs` are what it says. Tensors that are
    float32 already are used as they are, not copied. What the class does not
    take is dropped with a warning in the log.

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
    network = _build(family, class_name, NetworkArguments(args, kwargs, tensors.keys()))
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


def _build(family: Family, class_name: str, arguments: NetworkArguments) -> nn.Module:
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
