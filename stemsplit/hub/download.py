"""Files of one repository on the Hub: from the cache, or downloaded, verified and then cached.

The cache is huggingface_hub's own, in its documented layout (`blobs/`, `snapshots/`, `refs/`), so
models are shared with other programs. The transfer is arranged here and not by `hf_hub_download`,
for three reasons, all seen in huggingface_hub 2.4: it gives a file its final name before anything
looked at the content, it throws the bytes of a broken transfer away when it gives up, and it
retries for minutes before it says that the Hub cannot be reached.

huggingface_hub reads its settings (HF_HOME, HF_ENDPOINT, HF_HUB_OFFLINE) when it is imported and
takes a good part of a second to do so; hence the imports inside the functions.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from stemsplit.errors import CheckpointError, HubUnreachableError, ModelError
from stemsplit.hub.digest import VerifiedFile, matches_etag, promised_prefix, sha256_of
from stemsplit.hub.hub_errors import OFFLINE_HINT, hub_errors
from stemsplit.quoting import quoted

ANSWER_TIMEOUT_SECONDS = 5
"""How long the Hub may take for a small answer before it counts as unreachable."""

# No separators and no leading dot: what the Hub sends cannot point outside a folder.
_SAFE_NAME = re.compile(r"[0-9A-Za-z_][0-9A-Za-z_.-]{0,199}")


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """How the Hub may be used: not at all when `offline`, without a progress bar when `quiet`."""

    offline: bool = False
    quiet: bool = False


def offline_by_environment() -> bool:
    """Whether HF_HUB_OFFLINE forbids any use of the network."""
    from huggingface_hub import constants

    return constants.HF_HUB_OFFLINE


def cached_file(repo: HubRepo, file_name: str) -> Path | None:
    """The file in the cache at this revision, or None. Its folder is named after the commit."""
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache(repo.repo_id, file_name, revision=repo.address)
    return Path(path) if isinstance(path, str) else None


def cached_snapshot(repo: HubRepo) -> Path | None:
    """The folder with the cached files of this revision, named after the commit, or None."""
    folder = _repo_folder(repo)
    ref = folder / "refs" / repo.address
    commit = ref.read_text().strip() if ref.is_file() else repo.address
    snapshot = folder / "snapshots" / commit
    return snapshot if snapshot.is_dir() else None


def list_files(repo: HubRepo) -> tuple[str, list[str]]:
    """The commit of the revision and the names of the files at its top, asked from the Hub."""
    from huggingface_hub import HfApi

    with hub_errors(str(repo)):
        info = HfApi().model_info(
            repo.repo_id, revision=repo.address, timeout=ANSWER_TIMEOUT_SECONDS
        )
    if info.sha is None:
        raise HubUnreachableError(f"The answer about {repo} names no commit.", hint=OFFLINE_HINT)
    names = [sibling.rfilename for sibling in info.siblings or []]
    return _checked_tag(info.sha), [name for name in names if _SAFE_NAME.fullmatch(name)]


def fetch_file(
    repo: HubRepo,
    file_name: str,
    connection: Connection,
    *,
    refresh: bool = False,
    sha256: str | None = None,
) -> VerifiedFile:
    """The file, verified: from the cache if it is there and intact, else downloaded.

    A cached file that is damaged is deleted and downloaded again. `refresh` asks the Hub first
    whether the revision has moved on. `sha256` is what the content must have, whatever the Hub
    says about it.

    Raises:
        HubUnreachableError: not in the cache, and no network or not allowed to use it.
        NotOnHubError, ModelError: the Hub refused.
        CheckpointError: what the Hub sends, or what an offline cache holds, is damaged.
    """
    path = None if refresh and not connection.offline else cached_file(repo, file_name)
    if path is not None:
        verified = verify_cached(path, file_name, sha256)
        if verified is not None:
            return verified
        if connection.offline:
            raise CheckpointError(
                f"{file_name} of {repo} in the cache is damaged.",
                hint="Run the same command with a network: it downloads the file again.",
            )
        delete_cached(path)
    if connection.offline:
        raise HubUnreachableError(
            f"{file_name} of {repo} is not on this machine, and this run stays offline.",
            hint=OFFLINE_HINT,
        )
    return _download(repo, file_name, connection, sha256)


def verify_cached(
    path: Path, file_name: str, promised_sha256: str | None = None
) -> VerifiedFile | None:
    """The cached file if its content is what its names and the catalogue promise, else None."""
    sha256 = sha256_of(path)
    if not _as_promised(path, sha256, etag=path.resolve().name, name=file_name):
        return None
    if promised_sha256 not in (None, sha256):
        return None
    return VerifiedFile(path=path, sha256=sha256)


def delete_cached(path: Path) -> None:
    """Removes a cached file and the blob that it points to."""
    blob = path.resolve()
    path.unlink()
    blob.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _RemoteFile:
    """One file at one commit, as the Hub describes it."""

    repo_id: str
    commit: str
    name: str
    etag: str
    size_bytes: int | None
    sha256: str | None
    """What the catalogue promises."""

    def __str__(self) -> str:
        return f"{self.name} of {self.repo_id}@{self.commit}"


def _download(
    repo: HubRepo, file_name: str, connection: Connection, sha256: str | None
) -> VerifiedFile:
    remote = _describe(repo, file_name, sha256)
    folder = _repo_folder(repo)
    blob = folder / "blobs" / remote.etag
    pointer = folder / "snapshots" / remote.commit / file_name
    with _cache_errors(folder), _lock(folder, remote.etag):
        verified = verify_cached(blob, file_name, sha256) if blob.is_file() else None
        if verified is None and pointer.is_file():
            verified = verify_cached(pointer, file_name, sha256)
        if verified is None:
            found = _transfer_verified(remote, blob, quiet=connection.quiet)
            verified = VerifiedFile(path=blob, sha256=found)
        if not pointer.is_file():
            _point(pointer, blob)
        if repo.revision != remote.commit:
            ref = folder / "refs" / repo.revision
            ref.parent.mkdir(parents=True, exist_ok=True)
            ref.write_text(remote.commit)
    return VerifiedFile(path=pointer, sha256=verified.sha256)


def _describe(repo: HubRepo, file_name: str, sha256: str | None) -> _RemoteFile:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    with hub_errors(f"{file_name} of {repo}"):
        url = hf_hub_url(repo.repo_id, file_name, revision=repo.address)
        metadata = get_hf_file_metadata(url, timeout=ANSWER_TIMEOUT_SECONDS)
    if metadata.commit_hash is None or metadata.etag is None:
        raise HubUnreachableError(
            f"The answer for {url} is not one that a Hub gives.",
            hint="Check HF_ENDPOINT, and whether a proxy or a login page is in between.",
        )
    return _RemoteFile(
        repo_id=repo.repo_id,
        commit=_checked_tag(metadata.commit_hash),
        name=file_name,
        etag=_checked_tag(metadata.etag),
        size_bytes=metadata.size,
        sha256=sha256,
    )


def _transfer_verified(remote: _RemoteFile, blob: Path, *, quiet: bool) -> str:
    """The sha256 of the file, which is now at `blob` and was verified before it got that name."""
    partial = blob.with_name(f"{blob.name}.incomplete")
    for _attempt in range(2):  # bytes kept from an earlier run may be the ones that are wrong
        _transfer(remote, partial, quiet=quiet)
        sha256 = sha256_of(partial)
        intact = _as_promised(partial, sha256, etag=remote.etag, name=remote.name)
        if intact and remote.sha256 in (None, sha256):
            partial.replace(blob)
            return sha256
        partial.unlink()
    promised_by, promised = "the Hub", remote.etag
    if intact and remote.sha256 is not None:
        promised_by, promised = "the catalogue of stemsplit", remote.sha256
    raise CheckpointError(
        f"{remote} was downloaded twice and is not what {promised_by} promises "
        f"(sha256 {sha256[:16]}…, promised {promised[:16]}…). Nothing was kept.",
        hint="Try again later, or check HF_ENDPOINT and proxies that change downloads.",
    )


def _transfer(remote: _RemoteFile, partial: Path, *, quiet: bool) -> None:
    """Brings `partial` to the full size, going on from the bytes that it has."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined,unused-ignore]

    partial.parent.mkdir(parents=True, exist_ok=True)
    # "identity": a compressed answer has no length, and its bytes cannot be resumed.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    with partial.open("ab") as file, hub_errors(str(remote)):
        if remote.size_bytes is None or file.tell() > remote.size_bytes:
            file.truncate(0)
        with _progress_bars(quiet=quiet):
            http_get(
                hf_hub_url(remote.repo_id, remote.name, revision=remote.commit),
                file,
                resume_size=file.seek(0, os.SEEK_END),
                headers=headers,
                expected_size=remote.size_bytes,
                displayed_filename=remote.name,
            )


def _as_promised(path: Path, sha256: str, *, etag: str, name: str) -> bool:
    prefix = promised_prefix(name)
    return matches_etag(path, sha256, etag) and (prefix is None or sha256.startswith(prefix))


def _point(pointer: Path, blob: Path) -> None:
    pointer.parent.mkdir(parents=True, exist_ok=True)
    pointer.unlink(missing_ok=True)  # a link to a blob that is gone
    try:
        pointer.symlink_to(os.path.relpath(blob, pointer.parent))
    except OSError:  # Windows without the privilege; huggingface_hub does the same
        blob.replace(pointer)


def _repo_folder(repo: HubRepo) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE, repo_folder_name(repo_id=repo.repo_id, repo_type="model"))


@contextlib.contextmanager
def _lock(folder: Path, etag: str) -> Iterator[None]:
    """The lock under which huggingface_hub, too, downloads this blob: one at a time."""
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined,unused-ignore]

    lock = folder.parent / ".locks" / folder.name / f"{etag}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with WeakFileLock(lock):
        yield


@contextlib.contextmanager
def _progress_bars(*, quiet: bool) -> Iterator[None]:
    from huggingface_hub import constants
    from huggingface_hub.utils.tqdm import disable_progress_bars, enable_progress_bars

    if not quiet or constants.HF_HUB_DISABLE_PROGRESS_BARS is not None:
        yield  # wanted, or the environment has decided
        return
    disable_progress_bars("huggingface_hub.http_get")
    try:
        yield
    finally:
        enable_progress_bars("huggingface_hub.http_get")


@contextlib.contextmanager
def _cache_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ModelError(
            f"Cannot write the model to {folder}: {error.strerror or error}.",
            hint="Free some space or make the folder writable, or set HF_HOME to another folder.",
        ) from error


def _checked_tag(tag: str) -> str:
    """A commit or an etag that may be used as a file name."""
    if not _SAFE_NAME.fullmatch(tag):
        raise HubUnreachableError(
            f"The Hub sent {quoted(tag)}, which is neither a commit nor a content tag.",
            hint="Check HF_ENDPOINT.",
        )
    return tag
