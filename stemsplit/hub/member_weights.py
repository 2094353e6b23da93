"""A member's files as plain data, in whatever layout they were published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from stemsplit.checkpoints.config_file import read_configuration
from stemsplit.checkpoints.contents import Weights, read_file, read_tensors
from stemsplit.checkpoints.onnx_file import OnnxGraph, fingerprint, read_onnx
from stemsplit.errors import CheckpointError
from stemsplit.hub.folders import SPECTROGRAM_FILE
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
    if member.class_name is not None:
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

    Open-Unmix's files, of which there are several, become one: `separator`, and `targets` by stem.

    Raises:
        CheckpointError: a file is not a configuration.
    """
    if member.settings is not None:
        return member.settings
    if not member.configs:
        return None
    contents = {file.part: read_configuration(file.fetch()) for file in member.configs}
    if Path(member.configs[0].name).name == SPECTROGRAM_FILE:
        separator = contents.pop(member.configs[0].part)
        return {"separator": separator, "targets": contents}
    return next(iter(contents.values()))


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
