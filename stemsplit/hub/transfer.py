"""The way of a file from a server to the disk: resumed, bounded and verified before it has a name.

The transfer is arranged here and not by `hf_hub_download`, for reasons that were all seen in
huggingface_hub 2.4: it gives a file its final name before anything looked at the content, it throws
the bytes of a broken transfer away when it gives up, it retries for minutes before it says that the
Hub cannot be reached, and it writes whatever comes, however long.
"""

from __future__ import annotations

import hashlib
import logging
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stemsplit.errors import CheckpointError, ModelError
from stemsplit.files import open_to_continue
from stemsplit.hub import hub_errors
from stemsplit.hub.digest import VerifiedFile, is_digest, matches_etag, promised_prefix, sha256_of
from stemsplit.hub.folders import is_weights
from stemsplit.hub.question import Question
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
    """How the network may be used: not at all when `offline`. `on_stage` hears of each block."""

    offline: bool = False
    on_stage: StageCallback = unheard


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """One file, as the server describes it that has it.

    `title` and, in few words, `label` say to people which it is. `etag` is what the Hub promises
    about the content (`digest.matches_etag`), "" for nothing. `size_bytes` None: nobody says.
    `sha256` is what the catalogue promises.
    """

    url: str
    name: str
    title: str
    label: str
    etag: str = ""
    size_bytes: int | None
    sha256: str | None
    is_on_hub: bool = True

    @property
    def key(self) -> str:
        """What the file is called until its content is known: the digest that the Hub promises.

        A mirror's own tag is no digest. Two files may have the same, so it does not name them.
        """
        if is_digest(self.etag):
            return self.etag
        return hashlib.sha256(f"{self.title}\0{self.etag}".encode()).hexdigest()

    def question(self, first_byte: int = 0) -> Question:
        """The one for its content, from this byte on."""
        return Question(
            url=self.url, what=self.title, is_for_hub=self.is_on_hub, first_byte=first_byte
        )


def verified_or_absent(
    path: Path | None,
    file_name: str,
    connection: Connection,
    *,
    title: str,
    sha256: str | None,
) -> VerifiedFile | None:
    """The cached file if it is there and intact; None if it is to be downloaded.

    Raises:
        HubUnreachableError: it is not there, and must not be downloaded.
        CheckpointError: it is damaged, and must not be downloaded.
    """
    if path is None:
        if connection.offline:
            raise hub_errors.not_here(title)
        return None
    verified = verify_cached(path, file_name, sha256)
    if verified is None and connection.offline:
        raise CheckpointError(
            f"{title} in the cache is damaged.",
            hint="Run the same command with a network: it downloads the file again.",
        )
    return verified


def verify_cached(path: Path, file_name: str, promised: str | None) -> VerifiedFile | None:
    """The cached file if its content is what its names and the catalogue promise, else None."""
    sha256 = sha256_of(path)
    etag = path.resolve().name
    if _broken_promise(path, sha256, name=file_name, etag=etag, promised=promised):
        return None
    return VerifiedFile(path=path, sha256=sha256)


def transfer_verified(remote: RemoteFile, partial: Path, on_stage: StageCallback) -> str:
    """The sha256 of the file, which lies in `partial` then, whole and verified.

    Raises:
        HubUnreachableError, ModelError: it is not to be had; what came of it is kept.
        CheckpointError: it is not what was promised, and nothing is kept.
    """
    partial.parent.mkdir(parents=True, exist_ok=True)
    for _attempt in range(2):  # bytes kept from an earlier run may be the ones that are wrong
        _transfer(remote, partial, on_stage)
        sha256 = sha256_of(partial)
        broken = _broken_promise(
            partial, sha256, name=remote.name, etag=remote.etag, promised=remote.sha256
        )
        if broken is None:
            return sha256
        partial.unlink()
    assert broken is not None
    by, promised = broken
    raise CheckpointError(
        f"{remote.title} was downloaded twice and is not what {by} promises "
        f"(sha256 {sha256[:16]}…, promised {promised[:16]}…). Nothing was kept.",
        hint=f"Try again later. {hub_errors.changed_hint(remote.question())}",
    )


def _broken_promise(
    path: Path, sha256: str, *, name: str, etag: str, promised: str | None
) -> tuple[str, str] | None:
    """Who has promised which other content, if anyone has."""
    if not matches_etag(path, sha256, etag):
        return "the Hub", etag
    prefix = promised_prefix(name)
    if prefix is not None and not sha256.startswith(prefix):
        return "its name", prefix
    if promised not in (None, sha256):
        return "the catalogue of stemsplit", str(promised)
    return None


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
    """Writes what comes, and not a byte more than was announced."""
    size, start = remote.size_bytes, file.tell()
    question = remote.question(start)
    with asked(question) as answer:
        if start and not _goes_on(answer, start, size):
            _start_again(file)  # the whole file comes, or nothing that fits
        if answer.status == 416:
            raise hub_errors.unusable(question, "is not of the size that it had before")
        most = min(_most_bytes(remote), MAX_UNANNOUNCED_BYTES) if size is None else size
        _tell(on_stage, remote, file)
        for block in answer.blocks():
            if file.tell() + len(block) > most:
                _start_again(file)
                announced = f"{question.server} has announced"
                raise CheckpointError(
                    f"{remote.title} is longer than {most} bytes, which "
                    f"{'is as much as it may have' if size is None else announced}.",
                    hint=hub_errors.changed_hint(question),
                )
            file.write(block)
            _tell(on_stage, remote, file)
    if size is not None and file.tell() < size:
        raise hub_errors.broken_off(question, f"ended after {file.tell()} of {size} bytes")


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
            f"{remote.title} has {size} bytes, more than such a file may have.",
            hint=hub_errors.changed_hint(remote.question()),
        )
    try:
        here = partial.lstat().st_size
    except FileNotFoundError:
        here = 0
    free = shutil.disk_usage(partial.parent).free
    if size - here > free:
        raise ModelError(
            f"{remote.title} takes {size / 1e9:.2f} GB, and {partial.parent} has "
            f"{free / 1e9:.2f} GB free.",
            hint="Free some space, or set HF_HOME to a folder on another disk.",
        )


def _tell(on_stage: StageCallback, remote: RemoteFile, file: BinaryIO) -> None:
    on_stage(
        Stage(
            kind="fetching",
            name=remote.label,
            num_done=file.tell(),
            num_total=remote.size_bytes,
        )
    )
