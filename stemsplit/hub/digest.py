"""What a file's name or the Hub says about its content, checked against the content."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from stemsplit.checkpoints.file_errors import readable
from stemsplit.errors import CheckpointError
from stemsplit.files import open_regular

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedFile:
    """A file whose content was read to the end and is what was promised, as far as anyone said."""

    path: Path
    sha256: str


def sha256_of(path: Path) -> str:
    """The sha256 of the file's content, in hexadecimal."""
    return _hash(path, hashlib.sha256())


def is_digest(etag: str) -> bool:
    """Whether a tag of the Hub is one of its digests, and not a mirror's own word."""
    return re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", etag) is not None


def matches_etag(path: Path, sha256: str, etag: str) -> bool:
    """Whether the content is what the Hub's `etag` promises; `sha256` is the content's own.

    Large files carry their sha256 as the tag, small ones git's blob id: the sha1 of a header with
    the size, followed by the content. Any other tag (a mirror's own) promises nothing.
    """
    if not is_digest(etag):
        return True
    if len(etag) == len(sha256):
        return sha256 == etag
    header = f"blob {path.stat().st_size}\0".encode()
    return _hash(path, hashlib.sha1(header, usedforsecurity=False)) == etag


def promised_prefix(file_name: str) -> str | None:
    """The start of the sha256 in a name like `955717e8-8726e21a.th`, or None if it has none."""
    match = re.fullmatch(r".+-([0-9a-f]{8,64})\.(?:th|pth)", file_name)
    return match[1] if match else None


def verify_local(path: Path) -> VerifiedFile:
    """The file, after comparing its content with the checksum in its name, if it has one.

    Raises:
        CheckpointError: it cannot be read or is damaged.
    """
    with readable(path):
        sha256 = sha256_of(path)
    prefix = promised_prefix(path.name)
    if prefix is not None and not sha256.startswith(prefix):
        raise CheckpointError(
            f"{path} is damaged: its sha256 starts with {sha256[: len(prefix)]}, its name promises "
            f"{prefix}.",
            hint="Download it again.",
        )
    return VerifiedFile(path=path, sha256=sha256)


def _hash(path: Path, digest: hashlib._Hash) -> str:
    with open_regular(path) as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
