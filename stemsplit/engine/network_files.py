"""From a member's files, in whatever layout they were published, to its network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from stemsplit.checkpoints.config_file import read_configuration
from stemsplit.checkpoints.contents import (
    Trained,
    Weights,
    read_file,
    read_tensors,
    read_values,
)
from stemsplit.checkpoints.onnx_archive import holds_networks, read_onnx_archive
from stemsplit.checkpoints.onnx_file import fingerprint, read_onnx
from stemsplit.errors import CheckpointError
from stemsplit.hub.model_files import Member
from stemsplit.models.family import Graph
from stemsplit.models.registry import (
    build_model,
    describes_a_network,
    recognize,
    recognize_graph,
)
from stemsplit.models.spec import Model

_CONFIGURATION_SUFFIXES = (".yaml", ".yml", ".json")


def build_network(member: Member) -> Model:
    """The network in a member's files, which are fetched if need be.

    Raises:
        ModelError: a file could not be had.
        CheckpointError: a file is damaged, or not of a network of a known family.
    """
    path = member.fetch()
    if path.suffix == ".onnx" or (member.class_name is None and holds_networks(path)):
        found = recognize_graph(_read_graph(member, path))
        return build_model(found.class_name, (), found.kwargs, found.tensors)
    if member.class_name is not None or member.weights[0].part:
        content: Weights | Trained | dict[str, Tensor] = _read_parts(member)
    else:
        content = read_file(path)
    if isinstance(content, Weights):
        return build_model(content.class_name, content.args, content.kwargs, content.tensors)
    settings = _read_settings(member)
    if isinstance(content, Trained):
        described = settings is None and describes_a_network(content.arguments)
        settings = content.arguments if described else settings
        content = content.tensors
    if member.class_name is not None:
        return build_model(member.class_name, (), settings or {}, content)
    found = recognize(settings, content, file_name=member.file_name)
    return build_model(found.class_name, (), found.kwargs, found.tensors)


def _read_graph(member: Member, path: Path) -> Graph:
    if path.suffix == ".onnx":
        graph = read_onnx(path)
        return Graph(
            parts={"": graph.nodes},
            input_shape=graph.input_shape,
            fingerprint=fingerprint(path),
            settings=_read_settings(member),
        )
    archive = read_onnx_archive(path)
    return Graph(
        parts={name: graph.nodes for name, graph in archive.graphs.items()},
        input_shape=(),
        fingerprint="",
        settings=archive.sections,
    )


def _read_settings(member: Member) -> Mapping[str, object] | None:
    """How the network is built: what the catalogue or the configuration files say; else None.

    Files of PyTorch say what they hold beside their tensors. Several files become one, each a
    section of it, or a named value in a section.

    Raises:
        CheckpointError: a file is not a configuration.
    """
    if member.settings is not None:
        return member.settings
    if not member.configs:
        return None
    settings: dict[str, Any] = {}
    for file in member.configs:
        path = file.fetch()
        is_text = path.suffix in _CONFIGURATION_SUFFIXES
        content = read_configuration(path) if is_text else read_values(path)
        section, _, name = file.part.partition(".")
        if name:
            settings.setdefault(section, {})[name] = content
        else:
            settings |= {section: content} if section else content
    return settings


def _read_parts(member: Member) -> dict[str, Tensor]:
    """All tensors; those of a part are called `{part}.{name}`."""
    tensors: dict[str, Tensor] = {}
    for file in member.weights:
        path = file.fetch()
        if path.suffix == ".onnx":
            raise CheckpointError(f"{path} is an ONNX file among others; it should stand alone.")
        prefix = f"{file.part}." if file.part else ""
        tensors |= {prefix + name: tensor for name, tensor in read_tensors(path).items()}
    return tensors
