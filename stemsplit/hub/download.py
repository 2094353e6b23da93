"""Files of one repository on the Hub: from the cache, or downloaded, verified and then cached."""

from __future__ import annotations

from pathlib import Path

from stemsplit import durable
from stemsplit.hub.cache import (
    HubRepo,
    cache_errors,
    cached_file,
    delete_cached,
    locked,
    point,
    repo_folder,
    write_ref,
)
from stemsplit.hub.digest import VerifiedFile
from stemsplit.hub.remote import describe
from stemsplit.hub.transfer import (
    Connection,
    RemoteFile,
    transfer_verified,
    verified_or_absent,
    verify_cached,
)
from stemsplit.stages import StageCallback


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
    verified = verified_or_absent(
        path, file_name, connection, title=f"{file_name} of {repo}", sha256=sha256
    )
    if verified is not None:
        return verified
    if path is not None:
        delete_cached(path)
    repo, remote = describe(repo, file_name, sha256=sha256)
    return _download(repo, remote, connection.on_stage)


def _download(repo: HubRepo, remote: RemoteFile, on_stage: StageCallback) -> VerifiedFile:
    """The file at the `commit` of the repository, which a revision stood for when it was asked."""
    folder = repo_folder(repo)
    assert repo.commit is not None
    pointer = folder / "snapshots" / repo.commit / remote.name
    with cache_errors(folder), locked(folder, remote.key):
        here = (path for path in (folder / "blobs" / remote.key, pointer) if path.is_file())
        found = (verify_cached(path, remote.name, remote.sha256) for path in here)
        verified = next((each for each in found if each is not None), None)
        if verified is None:
            verified = _transfer_to_blob(remote, folder / "blobs", on_stage)
        if not pointer.is_file():
            point(pointer, verified.path)
        if repo.revision != repo.commit:
            write_ref(folder, repo.revision, repo.commit)
    return VerifiedFile(path=pointer, sha256=verified.sha256)


def _transfer_to_blob(remote: RemoteFile, blobs: Path, on_stage: StageCallback) -> VerifiedFile:
    """The file among the `blobs`, under the name of its digest, after it was verified."""
    partial = blobs / f"{remote.key}.incomplete"
    sha256 = transfer_verified(remote, partial, on_stage)
    # The Hub's own digest, or that of the content where the tag is none: see `key`.
    blob = blobs / (remote.etag if remote.key == remote.etag else sha256)
    durable.replace(partial, blob)
    return VerifiedFile(path=blob, sha256=sha256)
