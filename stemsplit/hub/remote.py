"""What the Hub says about a repository and its files, as far as it is what a Hub says."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from stemsplit.checkpoints.plain_data import parse_json
from stemsplit.hub import hub_errors
from stemsplit.hub.cache import HubRepo, is_safe_name
from stemsplit.hub.digest import is_digest
from stemsplit.hub.talk import Question
from stemsplit.hub.transport import HttpAnswer, asked
from stemsplit.quoting import quoted, reason

MAX_ANSWER_BYTES = 4 << 20
"""Of what the Hub says about a repository: all names of its files among other things."""
_MAX_REDIRECTS = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class RemoteFile:
    """One file at one commit, as the Hub describes it.

    `etag` is what it promises about the content (`digest.matches_etag`). `size_bytes` None: it does
    not say. `sha256` is what the catalogue promises.
    """

    repo_id: str
    commit: str
    name: str
    etag: str
    size_bytes: int | None
    sha256: str | None

    @property
    def url(self) -> str:
        return _url(self.repo_id, self.commit, self.name)

    @property
    def key(self) -> str:
        """What the file is called until its content is known: the digest that the Hub promises.

        A mirror's own tag is no digest. Two files may have the same, so it does not name them.
        """
        if is_digest(self.etag):
            return self.etag
        return hashlib.sha256(f"{self}\0{self.etag}".encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.name} of {self.repo_id}@{self.commit}"


def list_files(repo: HubRepo) -> tuple[str, list[str]]:
    """The commit of the revision and the names of the files at its top, asked from the Hub.

    Raises:
        ModelError: the Hub refuses, or cannot be reached, or someone else answers in its place.
    """
    from huggingface_hub import constants

    path = f"{quote(repo.repo_id)}/revision/{quote(repo.address, safe='')}"
    question = Question(url=f"{constants.ENDPOINT}/api/models/{path}", what=str(repo))
    with asked(question) as answer:
        data = _read(answer, question.what)
    try:
        document = parse_json(data)
    except ValueError as error:
        if data.lstrip()[:1] == b"<":
            raise hub_errors.web_page(question.what) from error
        raise hub_errors.foreign(question.what, reason(error)) from error
    match document:
        case {"sha": str(commit), "siblings": list(siblings)}:
            names = [each.get("rfilename") for each in siblings if isinstance(each, dict)]
            safe = [name for name in names if isinstance(name, str) and is_safe_name(name)]
            return _checked_commit(commit, question.what), safe
    raise hub_errors.foreign(question.what, "it names no commit and no files")


def describe(repo: HubRepo, file_name: str, *, sha256: str | None = None) -> RemoteFile:
    """What the Hub says about a file; nothing of the file itself is fetched.

    Raises:
        ModelError: the Hub refuses, or cannot be reached, or someone else answers in its place.
    """
    what = f"{file_name} of {repo}"
    headers = _headers(_url(repo.repo_id, repo.address, file_name), what)
    commit, etag = headers.get("x-repo-commit"), headers.get("x-linked-etag", headers.get("etag"))
    if commit is None or not etag:
        raise hub_errors.foreign(what, "it names no commit and no content")
    return RemoteFile(
        repo_id=repo.repo_id,
        commit=_checked_commit(commit, what),
        name=file_name,
        etag=etag.removeprefix("W/").strip('"'),
        size_bytes=_size(headers.get("x-linked-size", headers.get("content-length")), what),
        sha256=sha256,
    )


def _headers(url: str, what: str) -> dict[str, str]:
    """Of the first answer that is not a way to another place on the same Hub (a renamed model)."""
    for _ in range(_MAX_REDIRECTS):
        question = Question(url=url, what=what, method="HEAD", follows_redirects=False)
        with asked(question) as answer:
            target = answer.headers.get("location", "")
            if not 300 <= answer.status < 400 or not _is_on_same_host(target, what):
                return dict(answer.headers)
        url = urljoin(url, target)
    raise hub_errors.foreign(what, "it leads in circles")


def _is_on_same_host(target: str, what: str) -> bool:
    """Whether an address says where to go on without naming a host."""
    try:
        return target != "" and not urlsplit(target).netloc
    except ValueError as error:
        raise hub_errors.foreign(what, f"it leads to {quoted(target)}") from error


def _url(repo_id: str, revision: str, file_name: str) -> str:
    from huggingface_hub import constants

    place = f"{quote(repo_id)}/resolve/{quote(revision, safe='')}/{quote(file_name)}"
    return f"{constants.ENDPOINT}/{place}"


def _read(answer: HttpAnswer, what: str) -> bytes:
    data = bytearray()
    for block in answer.blocks():
        data += block
        if len(data) > MAX_ANSWER_BYTES:
            raise hub_errors.foreign(what, f"it has more than {MAX_ANSWER_BYTES} bytes")
    return bytes(data)


def _size(text: str | None, what: str) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text.strip()):
        raise hub_errors.foreign(what, f"{quoted(text)} is no size")
    return int(text)


def _checked_commit(commit: str, what: str) -> str:
    """A commit that may be used as the name of a folder."""
    if not is_safe_name(commit):
        raise hub_errors.foreign(what, f"{quoted(commit)} is no commit")
    return commit
