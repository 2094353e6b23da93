"""The cache of models on this machine: huggingface_hub's own, in its documented layout.

That is a folder `models--OWNER--NAME` for each, and in it `blobs/` with the contents,
`snapshots/COMMIT/` with the names, which are links to contents, and `refs/REVISION` with the commit
that a branch or a tag stood for. So models are shared with other programs.

huggingface_hub reads its settings (HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE) when it is imported and
takes a good part of a second to do so; hence the imports inside the functions.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stemsplit import durable
from stemsplit.errors import HubUnreachableError, ModelError
from stemsplit.files import read_regular
from stemsplit.quoting import quoted, reason

# No separators and no leading dot: what the Hub sends cannot point outside a folder.
_SAFE_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]{0,199}")
_MAX_REF_BYTES = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class HubRepo:
    """A model repository on the Hub at a revision: a branch, a tag or a commit.

    `commit` is what the revision stands for, once that is known: files are then taken from this
    commit and no other, so that they belong together.
    """

    repo_id: str
    revision: str
    commit: str | None = None

    @property
    def address(self) -> str:
        """The revision to ask for: the commit where it is known."""
        return self.commit or self.revision

    def __str__(self) -> str:
        return f"{self.repo_id}@{self.address}"


def is_safe_name(name: str) -> bool:
    """Whether a name from the Hub may be the name of a file or a folder."""
    return _SAFE_NAME.fullmatch(name) is not None


def offline_by_environment() -> bool:
    """Whether HF_HUB_OFFLINE forbids any use of the network.

    Raises:
        HubUnreachableError: HF_ENDPOINT is no address at all.
    """
    try:
        from huggingface_hub import constants
    except ValueError as error:  # it looks at the address as soon as it is imported
        raise HubUnreachableError(
            f"HF_ENDPOINT is no address: {quoted(os.environ.get('HF_ENDPOINT'))} "
            f"({reason(error)}).",
            hint="Correct it, or unset it to ask the Hub itself.",
        ) from error
    return constants.HF_HUB_OFFLINE


def cached_file(repo: HubRepo, file_name: str) -> Path | None:
    """The file in the cache at this revision, or None. Its folder is named after the commit."""
    snapshot = cached_snapshot(repo)
    path = snapshot / file_name if snapshot else None
    return path if path is not None and path.is_file() else None


def cached_snapshot(repo: HubRepo) -> Path | None:
    """The folder with the cached files of this revision, named after the commit, or None."""
    folder = repo_folder(repo)
    ref = folder / "refs" / repo.address
    try:
        commit = read_regular(ref, _MAX_REF_BYTES).decode().strip() if ref.is_file() else ""
    except (OSError, UnicodeDecodeError):
        return None
    commit = commit or repo.address
    snapshot = folder / "snapshots" / commit
    return snapshot if is_safe_name(commit) and snapshot.is_dir() else None


def delete_cached(path: Path) -> None:
    """Removes a cached file and the blob that it points to."""
    blob = path.resolve()
    path.unlink()
    blob.unlink(missing_ok=True)


def repo_folder(repo: HubRepo) -> Path:
    """The folder of a repository in the cache."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE, f"models--{repo.repo_id.replace('/', '--')}")


def kept_file(digest: str, name: str) -> Path:
    """Where a file that is not from the Hub is kept: in a folder that is named after its content.

    That is ours among what huggingface_hub's cache has of other libraries. `digest` may be the
    beginning of a sha256.
    """
    from huggingface_hub import constants

    return Path(constants.HF_ASSETS_CACHE, "stemsplit", digest, name)


def point(pointer: Path, blob: Path) -> None:
    """Gives a blob a name in a snapshot."""
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)  # a link to a blob that is gone
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:  # Windows without the privilege; huggingface_hub does the same
        blob.replace(pointer)


def write_ref(folder: Path, revision: str, commit: str) -> None:
    """Notes the commit that a branch or a tag stands for."""
    ref = folder / "refs" / revision
    ref.parent.mkdir(parents=True, exist_ok=True)
    part = ref.with_name(f".{secrets.token_hex(8)}")
    try:
        part.write_text(commit)
        durable.replace(part, ref)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def locked(folder: Path, key: str) -> Iterator[None]:
    """The lock under which huggingface_hub, too, downloads this blob: one at a time."""
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined,unused-ignore]

    lock = folder.parent / ".locks" / folder.name / f"{key}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        yield


@contextlib.contextmanager
def cache_errors(folder: Path) -> Iterator[None]:
    """A context in which a failure of the disk is one to write to the cache."""
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"Cannot write the model to {folder}: {reason(error)}.",
            hint="Free some space or make the folder writable, or set HF_HOME to another folder.",
        ) from error
