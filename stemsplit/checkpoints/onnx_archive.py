"""A network in several ONNX files, which come with their configuration as one `.tar.gz`.

It is unpacked in memory, and no more of it than such a network may have. The names in it are
looked up and never used as paths.
"""

from __future__ import annotations

import configparser
import io
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stemsplit.checkpoints.file_errors import readable
from stemsplit.checkpoints.onnx_file import OnnxGraph, parse_onnx
from stemsplit.errors import CheckpointError
from stemsplit.files import read_regular
from stemsplit.quoting import quoted, reason

SUFFIX = ".tar.gz"

MAX_PACKED_BYTES = 64 << 20
MAX_UNPACKED_BYTES = 128 << 20
MAX_MEMBERS = 64
MAX_CONFIGURATION_BYTES = 1 << 16
_GZIP = 16 + zlib.MAX_WBITS
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
    with readable(path):
        packed = read_regular(path, MAX_PACKED_BYTES)
    try:
        files = _files(_unpacked(packed))
    except (tarfile.TarError, zlib.error, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged, or no archive of a network ({reason(error)}).",
            hint="Download or copy it again.",
        ) from error
    graphs = {
        name.removesuffix(".onnx"): parse_onnx(content, f"{path}: {name}")
        for name, content in files.items()
        if name.endswith(".onnx")
    }
    if not graphs:
        raise CheckpointError(f"{path} holds no ONNX file.")
    return OnnxArchive(graphs, _sections(files.get(_CONFIGURATION, b""), path))


def _unpacked(packed: bytes) -> bytes:
    decoder = zlib.decompressobj(_GZIP)
    content = decoder.decompress(packed, MAX_UNPACKED_BYTES + 1)
    if len(content) > MAX_UNPACKED_BYTES:
        raise ValueError(f"there are more than {MAX_UNPACKED_BYTES} bytes in it")
    if not decoder.eof:
        raise ValueError("its end is missing")
    return content


def _files(content: bytes) -> dict[str, bytes]:
    """The contents of those files that may belong to a network, by their names without folders."""
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for _ in range(MAX_MEMBERS):
            member = archive.next()
            if member is None:
                return files
            name = PurePosixPath(member.name).name
            if not name.endswith((".onnx", _CONFIGURATION)):
                continue
            if name in files:
                raise ValueError(f"there are several files {quoted(name)}")
            # A sparse file has a size of its own choice.
            source = (
                archive.extractfile(member) if member.isreg() and not member.issparse() else None
            )
            if source is None:
                raise ValueError(f"{quoted(name)} is no file")
            files[name] = source.read()
    raise ValueError(f"there are more than {MAX_MEMBERS} files")


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
