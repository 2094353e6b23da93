"""Files of the catalogue at an https address: from the cache, or downloaded, verified and cached.

Only the catalogue says what is in them, by a sha256 or by the beginning of one in the file's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from stemsplit import durable
from stemsplit.hub.cache import cache_errors, is_safe_name, kept_file, locked
from stemsplit.hub.digest import VerifiedFile, promised_prefix
from stemsplit.hub.question import Question, is_web_address
from stemsplit.hub.transfer import (
    Connection,
    RemoteFile,
    transfer_verified,
    verified_or_absent,
    verify_cached,
)
from stemsplit.hub.transport import announced_bytes, asked
from stemsplit.quoting import quoted


@dataclass(frozen=True, slots=True)
class WebFile:
    """The file `path` below an address.

    Raises:
        ValueError: the address is not https, the name is none for a file here, or no digest of its
            content is known.
    """

    address: str
    path: str
    sha256: str | None = None

    def __post_init__(self) -> None:
        if not is_web_address(self.url):
            raise ValueError(f"{quoted(self.url)} is no https address")
        if not is_safe_name(self.name):
            raise ValueError(f"{quoted(self.name)} is no name for a file")
        if not self.digest:
            raise ValueError(f"what {self.name} must contain is not known")

    @property
    def url(self) -> str:
        return f"{self.address}/{quote(self.path)}"

    @property
    def name(self) -> str:
        return PurePosixPath(self.path).name

    @property
    def digest(self) -> str:
        """The sha256 that the content must have, or the beginning of it."""
        return self.sha256 or promised_prefix(self.name) or ""

    def __str__(self) -> str:
        return f"{self.path} of {self.address}"


def cached_web_file(file: WebFile) -> Path | None:
    """Where the file is in the cache, or None."""
    path = kept_file(file.digest, file.name)
    return path if path.is_file() else None


def fetch_web_file(file: WebFile, connection: Connection) -> VerifiedFile:
    """The file, verified: from the cache if it is there and intact, else downloaded.

    Raises:
        HubUnreachableError: not in the cache, and no network or not allowed to use it.
        NotOnHubError, ModelError: the server refused.
        CheckpointError: what it sends, or what an offline cache holds, is damaged.
    """
    path = kept_file(file.digest, file.name)
    found = cached_web_file(file)
    verified = verified_or_absent(found, file.name, connection, title=str(file), sha256=file.sha256)
    if verified is not None:
        return verified
    remote = _describe(file)
    with cache_errors(path.parent), locked(path.parent, remote.key):
        if path.is_file():  # somebody else has brought it meanwhile, or it is damaged
            verified = verify_cached(path, file.name, file.sha256)
        if verified is None:
            partial = path.with_name(f"{path.name}.incomplete")
            sha256 = transfer_verified(remote, partial, connection.on_stage)
            durable.replace(partial, path)
            verified = VerifiedFile(path=path, sha256=sha256)
    return verified


def _describe(file: WebFile) -> RemoteFile:
    """What the server says about the file; nothing of it is fetched."""
    question = Question(url=file.url, what=str(file), method="HEAD", is_for_hub=False)
    with asked(question) as answer:
        size_bytes = announced_bytes(answer.headers.get("content-length"), question)
    return RemoteFile(
        url=file.url,
        name=file.name,
        title=str(file),
        label=file.name,
        size_bytes=size_bytes,
        sha256=file.sha256,
        is_on_hub=False,
    )
