"""What a family of networks says about itself: all that the registry knows of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from stemsplit.models.spec import InputScaling, Model

Tensors = Mapping[str, Tensor]


class NetworkArguments(NamedTuple):
    """What a checkpoint says about its network, beside the tensors themselves."""

    args: Sequence[object]
    kwargs: Mapping[str, object]
    tensor_names: Collection[str]


def as_they_are(tensors: Tensors, network: nn.Module) -> dict[str, Tensor]:  # noqa: ARG001
    """For families whose checkpoints name tensors as our network does."""
    return dict(tensors)


def never_bare(tensors: Tensors, file_name: str) -> None:  # noqa: ARG001
    """For families that are not known by their tensors alone."""
    return


class GraphNode(Protocol):
    """One operation: its kind as ONNX calls it, and its weights, None for what is no weight."""

    @property
    def kind(self) -> str: ...

    @property
    def inputs(self) -> tuple[Tensor | None, ...]: ...

    @property
    def attributes(self) -> Mapping[str, object]: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """A network that came as operations, such as an ONNX file."""

    parts: Mapping[str, Sequence[GraphNode]]
    """The operations in their order, by the name of the file that has them; a network that is in
    one file is the part ""."""
    input_shape: Sequence[int | None]
    """Empty for one that is in several files."""
    fingerprint: str
    """By which a community knows the file."""
    settings: Mapping[str, object] | None
    """What the catalogue or a configuration beside or among the files says."""


class Folder(Protocol):
    """A folder in which a user has put files together; its text is what to call it in a message."""

    @property
    def name(self) -> str: ...

    def files(self, subfolder: str = "") -> Sequence[str]:
        """The names of the files in it, or in a folder inside; empty if there is none."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkFiles:
    """One network in a folder."""

    signature: str
    weights: Mapping[str, str]
    """Names of files, by the part of the network that they have; the part "" is all of it."""
    configs: Mapping[str, str] = field(default_factory=dict)
    """Names of files, by the section of the settings that they are: SECTION or SECTION.NAME."""
    settings: Mapping[str, object] | None = None
    """In the place of configurations."""
    stems: tuple[str, ...] | None = None
    """Those that it has, where networks have different ones."""


Mix = Callable[[Tensor, Tensor], Tensor]
"""Final estimates [S, C, T] of those of all networks [S, C, T] and the mixture [C, T]."""


class MixerFile(NamedTuple):
    """What all stems of a model go through together: the name of its file, and its reader.

    `read` raises CheckpointError for tensors that are no such mixer's.
    """

    file: str
    read: Callable[[Tensors], Mix]


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderModel:
    """A model in a folder: its networks, and how it is run where not as they say themselves."""

    networks: tuple[NetworkFiles, ...]
    name: str | None = None
    """None: the folder's."""
    stems: tuple[str, ...] | None = None
    """None: the network tells."""
    overlap: float | None = None
    scaling: InputScaling | None = None
    mixer: MixerFile | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderSystem:
    """What a folder holds: a model, or several with weights per stem (`hub.recipe`)."""

    models: tuple[FolderModel, ...]
    recipe: Mapping[str, Mapping[int, float]] = field(default_factory=lambda: {"*": {0: 1.0}})


class BuiltIn(NamedTuple):
    """A model without files, under its name in the catalogue."""

    name: str
    build: Callable[[], Model]


@dataclass(frozen=True, kw_only=True)
class Family:
    """How a network is built, how its tensors are found, and how its files are recognised."""

    name: str
    """The class that its published checkpoints name; where they name none, its name in the spec."""
    build: Callable[[NetworkArguments], nn.Module]
    """The network, without weights. A ValueError says what no such network can have."""
    adapt: Callable[[Tensors, nn.Module], dict[str, Tensor]] = as_they_are
    """The checkpoint's tensors under the names of the network, which has no weights yet."""
    marks: Collection[str] = ()
    """What the section `model` of a configuration has for this family and for no other."""
    sections: Collection[str] = ()
    """The sections that all configurations of this family have, and no others."""
    bare: Callable[[Tensors, str], Mapping[str, object] | None] = never_bare
    """The arguments of a checkpoint that is nothing but tensors, in a file of that name; None: it
    is not one of this family."""
    graph: Callable[[Graph], tuple[Mapping[str, object], Tensors] | None] | None = None
    """The arguments and tensors of a network that came as operations; None: it is not one of this
    family, which a CheckpointError says of one that looks like it."""
    folder: Callable[[Folder], FolderSystem | None] | None = None
    """What a folder of this family's own layout holds; None: it has another."""

    def fits(self, settings: Mapping[str, object]) -> bool:
        """Whether a configuration is for this family."""
        section = settings.get("model")
        names = section.keys() if isinstance(section, Mapping) else ()
        marked = any(mark in names for mark in self.marks)
        return marked or (bool(self.sections) and all(each in settings for each in self.sections))
