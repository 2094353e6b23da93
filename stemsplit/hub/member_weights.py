"""A member's files as plain data, in whatever layout they were published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from stemsplit.checkpoints.config_file import read_configuration
from stemsplit.checkpoints.contents import Weights, read_file, read_tensors
from stemsplit.checkpoints.onnx_file import OnnxGraph, fingerprint, read_onnx
from stemsplit.errors import CheckpointError
from stemsplit.hub.model_files import Member


@dataclass(frozen=True, kw_only=True, slots=True)
class BareWeights:
    """Tensors that do not say which network they are for.

    `class_name` is what the catalogue knows, `settings` what it or the configuration beside the
    tensors says; None: nothing.
    """

    class_name: str | None
    settings: Mapping[str, object] | None
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphWeights:
    """A network that came as the operations of an ONNX file."""

    graph: OnnxGraph
    fingerprint: str
    settings: Mapping[str, object] | None


def read_member(member: Member) -> Weights | BareWeights | GraphWeights:
    """The content of a member's files, which are fetched if need be.

    Raises:
        ModelError: a file could not be had.
        CheckpointError: a file is damaged, or not such a file.
    """
    path = member.fetch()
    if path.suffix == ".onnx":
        settings = read_settings(member)
        return GraphWeights(graph=read_onnx(path), fingerprint=fingerprint(path), settings=settings)
    if member.class_name is not None or member.weights[0].part:
        content: Weights | dict[str, Tensor] = _read_parts(member)
    else:
        content = read_file(path)
    if isinstance(content, Weights):
        return content
    return BareWeights(
        class_name=member.class_name, settings=read_settings(member), tensors=content
    )


def read_settings(member: Member) -> Mapping[str, object] | None:
    """How the network is built: what the catalogue or the configuration files say; else None.

    Several files become one, each a section of it, or a named value in a section.

    Raises:
        CheckpointError: a file is not a configuration.
    """
    if member.settings is not None:
        return member.settings
    if not member.configs:
        return None
    settings: dict[str, Any] = {}
    for file in member.configs:
        content = read_configuration(file.fetch())
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
