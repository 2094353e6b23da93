"""Files of one repository on the Hub: from the cache, or downloaded, verified and then cached.

The transfer is arranged here and not by `hf_hub_download`, for reasons that were all seen in
huggingface_hub 2.4: it gives a file its final name before anything looked at the content, it throws
the bytes of a broken transfer away when it gives up, it retries for minutes before it says that the
Hub cannot be reached, and it writes whatever comes, however long.
"""

from __future__ import annotations

import logging
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stemsplit import durable
from stemsplit.errors import CheckpointError, ModelError
from stemsplit.files import open_to_continue
from stemsplit.hub import hub_errors
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
from stemsplit.hub.digest import VerifiedFile, matches_etag, promised_prefix, sha256_of
from stemsplit.hub.folders import is_weights
from stemsplit.hub.remote import RemoteFile, describe
from stemsplit.hub.talk import Question
from stemsplit.hub.transport import HttpAnswer, asked
from stemsplit.stages import Stage, StageCallback, unheard

MAX_WEIGHTS_BYTES = 16 << 30
MAX_UNANNOUNCED_BYTES = 2 << 30
"""Of weights whose length nobody says before they come."""
MAX_DESCRIPTION_BYTES = 1 << 20
_MAX_BREAKS = 5
_MUCH_BYTES = 1 << 20
"""A transfer that brings less than this before it breaks, and again, is given up."""
_PAUSE_SECONDS = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """How the Hub may be used: not at all when `offline`. `on_stage` hears of each block."""

    offline: bool = False
    on_stage: StageCallback = unheard


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
        raise hub_errors.not_here(f"{file_name} of {repo}")
    return _download(repo, describe(repo, file_name, sha256=sha256), connection.on_stage)


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


def _download(repo: HubRepo, remote: RemoteFile, on_stage: StageCallback) -> VerifiedFile:
    folder = repo_folder(repo)
    blob = folder / "blobs" / remote.key
    pointer = folder / "snapshots" / remote.commit / remote.name
    with cache_errors(folder), locked(folder, remote.key):
        here = (path for path in (blob, pointer) if path.is_file())
        found = (verify_cached(path, remote.name, remote.sha256) for path in here)
        verified = next((each for each in found if each is not None), None)
        if verified is None:
            verified = _transfer_verified(remote, blob.parent, on_stage)
        if not pointer.is_file():
            point(pointer, verified.path)
        if repo.revision != remote.commit:
            write_ref(folder, repo.revision, remote.commit)
    return VerifiedFile(path=pointer, sha256=verified.sha256)


def _transfer_verified(remote: RemoteFile, blobs: Path, on_stage: StageCallback) -> VerifiedFile:
    """The file among the `blobs`, under the name of its digest, after it was verified."""
    blobs.mkdir(parents=True, exist_ok=True)
    partial = blobs / f"{remote.key}.incomplete"
    for _attempt in range(2):  # bytes kept from an earlier run may be the ones that are wrong
        _transfer(remote, partial, on_stage)
        sha256 = sha256_of(partial)
        intact = _as_promised(partial, sha256, etag=remote.etag, name=remote.name)
        if intact and remote.sha256 in (None, sha256):
            # The Hub's own digest, or that of the content where the tag is none: see `key`.
            blob = blobs / (remote.etag if remote.key == remote.etag else sha256)
            durable.replace(partial, blob)
            return VerifiedFile(path=blob, sha256=sha256)
        partial.unlink()
    promised_by, promised = "the Hub", remote.etag
    if intact and remote.sha256 is not None:
        promised_by, promised = "the catalogue of stemsplit", remote.sha256
    raise CheckpointError(
        f"{remote} was downloaded twice and is not what {promised_by} promises "
        f"(sha256 {sha256[:16]}…, promised {promised[:16]}…). Nothing was kept.",
        hint="Try again later, or check HF_ENDPOINT and proxies that change downloads.",
    )


def _transfer(remote: RemoteFile, partial: Path, on_stage: StageCallback) -> None:
    """Brings `partial` to the full size, going on from the bytes that it has.

    A transfer that breaks off goes on at once as long as each attempt brings something.
    """
    _check_size(remote, partial)
    with open_to_continue(partial) as file:
        file.seek(0, 2)
        if remote.size_bytes is None or file.tell() > remote.size_bytes:
            _start_again(file)
        num_breaks = 0
        while file.tell() != remote.size_bytes:
            before = file.tell()
            try:
                _receive(remote, file, on_stage)
                return
            except hub_errors.BrokenOffError as error:
                if remote.size_bytes is None:
                    _start_again(file)  # where it would go on is not known
                    raise
                num_received = file.tell() - before
                num_breaks = 1 if num_received >= _MUCH_BYTES else num_breaks + 1
                if num_received <= 0 or num_breaks == _MAX_BREAKS:
                    raise
                _log.info("%s Going on.", error.message)
            time.sleep(_PAUSE_SECONDS)


def _receive(remote: RemoteFile, file: BinaryIO, on_stage: StageCallback) -> None:
    """Writes what the Hub sends, and not a byte more than it has announced."""
    what, size = str(remote), remote.size_bytes
    start = file.tell()
    with asked(Question(url=remote.url, what=what, first_byte=start)) as answer:
        if start and not _goes_on(answer, start, size):
            _start_again(file)  # the whole file comes, or nothing that fits
        if answer.status == 416:
            raise hub_errors.unusable(what, "is not of the size that it had before")
        most = min(_most_bytes(remote), MAX_UNANNOUNCED_BYTES) if size is None else size
        _tell(on_stage, remote, file)
        for block in answer.blocks():
            if file.tell() + len(block) > most:
                _start_again(file)
                raise CheckpointError(
                    f"{what} is longer than {most} bytes, which "
                    f"{'is as much as it may have' if size is None else 'the Hub has announced'}.",
                    hint="Check HF_ENDPOINT and proxies that change downloads.",
                )
            file.write(block)
            _tell(on_stage, remote, file)
    if size is not None and file.tell() < size:
        raise hub_errors.broken_off(what, f"ended after {file.tell()} of {size} bytes")


def _goes_on(answer: HttpAnswer, start: int, size: int | None) -> bool:
    """Whether the answer is the rest of the file from byte `start`."""
    content_range = answer.headers.get("content-range", "")
    match = re.fullmatch(r"bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\*)", content_range)
    is_packed = answer.headers.get("content-encoding", "identity").strip().lower() != "identity"
    if answer.status != 206 or match is None or is_packed:
        return False
    return int(match[1]) == start and match[2] in ("*", str(size))


def _start_again(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _most_bytes(remote: RemoteFile) -> int:
    return MAX_WEIGHTS_BYTES if is_weights(remote.name) else MAX_DESCRIPTION_BYTES


def _check_size(remote: RemoteFile, partial: Path) -> None:
    """Refuses what no model can be, and what the disk has no room for, before it is written."""
    size = remote.size_bytes
    if size is None:
        return
    if size > _most_bytes(remote):
        raise CheckpointError(
            f"{remote} has {size} bytes, more than such a file may have.",
            hint="Check the repository and HF_ENDPOINT.",
        )
    try:
        here = partial.lstat().st_size
    except FileNotFoundError:
        here = 0
    free = shutil.disk_usage(partial.parent).free
    if size - here > free:
        raise ModelError(
            f"{remote} takes {size / 1e9:.2f} GB, and {partial.parent} has {free / 1e9:.2f} GB "
            "free.",
            hint="Free some space, or set HF_HOME to a folder on another disk.",
        )


def _as_promised(path: Path, sha256: str, *, etag: str, name: str) -> bool:
    prefix = promised_prefix(name)
    return matches_etag(path, sha256, etag) and (prefix is None or sha256.startswith(prefix))


def _tell(on_stage: StageCallback, remote: RemoteFile, file: BinaryIO) -> None:
    on_stage(
        Stage(
            kind="fetching",
            name=f"{remote.repo_id.partition('/')[2]}/{remote.name}",
            num_done=file.tell(),
            num_total=remote.size_bytes,
        )
    )
