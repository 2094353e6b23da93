"""A network in several ONNX files, which come with their configuration as one `.tar.gz`."""

from __future__ import annotations

import configparser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stemsplit.checkpoints.onnx_file import OnnxGraph, parse_onnx
from stemsplit.checkpoints.tar_archive import SUFFIX, read_tar_gz
from stemsplit.errors import CheckpointError
from stemsplit.quoting import reason

MAX_UNPACKED_BYTES = 128 << 20
MAX_CONFIGURATION_BYTES = 1 << 16
_NETWORK = ".onnx"
_CONFIGURATION = "config.ini"


@dataclass(frozen=True, slots=True)
class OnnxArchive:
    """Networks by the names of their files without `.onnx`, and the sections of `config.ini`."""

    graphs: Mapping[str, OnnxGraph]
    sections: Mapping[str, Mapping[str, str]]


def read_onnx_archive(path: Path) -> OnnxArchive:
    """What is in the archive.

    Raises:
        CheckpointError: it is damaged, too large, or without a network.
    """
    files = read_tar_gz(path, (_NETWORK, _CONFIGURATION), max_bytes=MAX_UNPACKED_BYTES)
    graphs = {
        name.removesuffix(_NETWORK): parse_onnx(content, f"{path}: {name}")
        for name, content in files.items()
        if name.endswith(_NETWORK)
    }
    if not graphs:
        raise CheckpointError(f"{path} holds no ONNX file.")
    return OnnxArchive(graphs, _sections(files.get(_CONFIGURATION, b""), path))


def holds_networks(path: Path) -> bool:
    """Whether the file is an archive of ONNX files, and not of something else.

    Raises:
        CheckpointError: it is an archive that is damaged or too large.
    """
    return path.name.endswith(SUFFIX) and bool(read_tar_gz(path, (_NETWORK,)))


def _sections(content: bytes, path: Path) -> dict[str, dict[str, str]]:
    if len(content) > MAX_CONFIGURATION_BYTES:
        raise CheckpointError(f"{path}: its configuration has {len(content)} bytes.")
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(content.decode())
    except (configparser.Error, UnicodeDecodeError) as error:
        raise CheckpointError(
            f"{path}: {_CONFIGURATION} is not readable ({reason(error)})."
        ) from error
    return {name: dict(parser[name]) for name in parser.sections()}
