"""Files in a `.tar.gz` of strangers: unpacked in memory, and no more than they may have."""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from stemsplit.checkpoints.file_errors import readable
from stemsplit.errors import CheckpointError
from stemsplit.files import read_regular
from stemsplit.quoting import quoted, reason

SUFFIX = ".tar.gz"

MAX_BYTES = 1 << 30
"""Of an archive, and of what is in it."""
MAX_EXPANSION = 8
"""How many times its own size an archive may hold, beyond a megabyte: weights hardly shrink."""
MAX_MEMBERS = 64
_GZIP = 16 + zlib.MAX_WBITS


def read_tar_gz(
    path: Path, endings: Collection[str], *, max_bytes: int | None = None
) -> dict[str, bytes]:
    """The contents of the files with these endings, by their names without folders.

    Names are looked up and never used as paths. `max_bytes` of all that is in it: None: MAX_BYTES.

    Raises:
        CheckpointError: it is damaged or too large, or has several files of one name.
    """
    max_bytes = MAX_BYTES if max_bytes is None else max_bytes
    with readable(path):
        packed = read_regular(path, max_bytes)
    max_bytes = min(max_bytes, (1 << 20) + MAX_EXPANSION * len(packed))
    try:
        return _files(_unpacked(packed, max_bytes), tuple(endings))
    except (tarfile.TarError, zlib.error, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged, or no archive of a network ({reason(error)}).",
            hint="Download or copy it again.",
        ) from error


def _unpacked(packed: bytes, max_bytes: int) -> bytes:
    decoder = zlib.decompressobj(_GZIP)
    content = decoder.decompress(packed, max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"there are more than {max_bytes} bytes in it")
    if not decoder.eof:
        raise ValueError("its end is missing")
    return content


def _files(content: bytes, endings: tuple[str, ...]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
        for _ in range(MAX_MEMBERS):
            member = archive.next()
            if member is None:
                return files
            name = PurePosixPath(member.name).name
            if not name.endswith(endings) or name.startswith("."):
                continue
            if name in files:
                raise ValueError(f"there are several files {quoted(name)}")
            # A sparse file has a size of its own choice.
            is_plain = member.isreg() and not member.issparse()
            source = archive.extractfile(member) if is_plain else None
            if source is None:
                raise ValueError(f"{quoted(name)} is no file")
            files[name] = source.read()
    raise ValueError(f"there are more than {MAX_MEMBERS} files")
