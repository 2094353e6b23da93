"""What the Hub says about a repository and its files, as far as it is what a Hub says."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote, urljoin, urlsplit

from stemsplit.checkpoints.plain_data import parse_json
from stemsplit.hub import hub_errors
from stemsplit.hub.cache import HubRepo, is_safe_name
from stemsplit.hub.question import Question
from stemsplit.hub.transfer import RemoteFile
from stemsplit.hub.transport import HttpAnswer, announced_bytes, asked
from stemsplit.quoting import quoted, reason

MAX_ANSWER_BYTES = 4 << 20
"""Of what the Hub says about a repository: all names of its files among other things."""
_MAX_REDIRECTS = 5


def list_files(repo: HubRepo) -> tuple[str, list[str]]:
    """The commit of the revision and the names of the files at its top, asked from the Hub.

    Raises:
        ModelError: the Hub refuses, or cannot be reached, or someone else answers in its place.
    """
    from huggingface_hub import constants

    path = f"{quote(repo.repo_id)}/revision/{quote(repo.address, safe='')}"
    question = Question(url=f"{constants.ENDPOINT}/api/models/{path}", what=str(repo))
    with asked(question) as answer:
        data = _read(answer, question)
    try:
        document = parse_json(data)
    except ValueError as error:
        if data.lstrip()[:1] == b"<":
            raise hub_errors.web_page(question) from error
        raise hub_errors.foreign(question, reason(error)) from error
    match document:
        case {"sha": str(commit), "siblings": list(siblings)}:
            names = [each.get("rfilename") for each in siblings if isinstance(each, dict)]
            safe = [name for name in names if isinstance(name, str) and is_safe_name(name)]
            return _checked_commit(commit, question), safe
    raise hub_errors.foreign(question, "it names no commit and no files")


def describe(
    repo: HubRepo, file_name: str, *, sha256: str | None = None
) -> tuple[HubRepo, RemoteFile]:
    """The repository at its commit, and what the Hub says about a file; none of it is fetched.

    Raises:
        ModelError: the Hub refuses, or cannot be reached, or someone else answers in its place.
    """
    question = Question(
        url=_url(repo, file_name),
        what=f"{file_name} of {repo}",
        method="HEAD",
        follows_redirects=False,
    )
    headers = _headers(question)
    commit, etag = headers.get("x-repo-commit"), headers.get("x-linked-etag", headers.get("etag"))
    if commit is None or not etag:
        raise hub_errors.foreign(question, "it names no commit and no content")
    repo = replace(repo, commit=_checked_commit(commit, question))
    size = headers.get("x-linked-size", headers.get("content-length"))
    return repo, RemoteFile(
        url=_url(repo, file_name),
        name=file_name,
        title=f"{file_name} of {repo}",
        label=f"{repo.repo_id.partition('/')[2]}/{file_name}",
        etag=etag.removeprefix("W/").strip('"'),
        size_bytes=announced_bytes(size, question),
        sha256=sha256,
    )


def _headers(question: Question) -> dict[str, str]:
    """Of the first answer that is not a way to another place on the same Hub (a renamed model)."""
    url = question.url
    for _ in range(_MAX_REDIRECTS):
        with asked(replace(question, url=url)) as answer:
            target = answer.headers.get("location", "")
            if not 300 <= answer.status < 400 or not _is_on_same_host(target, question):
                return dict(answer.headers)
        url = urljoin(url, target)
    raise hub_errors.foreign(question, "it leads in circles")


def _is_on_same_host(target: str, question: Question) -> bool:
    """Whether an address says where to go on without naming a host."""
    try:
        return target != "" and not urlsplit(target).netloc
    except ValueError as error:
        raise hub_errors.foreign(question, f"it leads to {quoted(target)}") from error


def _url(repo: HubRepo, file_name: str) -> str:
    from huggingface_hub import constants

    place = f"{quote(repo.repo_id)}/resolve/{quote(repo.address, safe='')}/{quote(file_name)}"
    return f"{constants.ENDPOINT}/{place}"


def _read(answer: HttpAnswer, question: Question) -> bytes:
    data = bytearray()
    for block in answer.blocks():
        data += block
        if len(data) > MAX_ANSWER_BYTES:
            raise hub_errors.foreign(question, f"it has more than {MAX_ANSWER_BYTES} bytes")
    return bytes(data)


def _checked_commit(commit: str, question: Question) -> str:
    """A commit that may be used as the name of a folder."""
    if not is_safe_name(commit):
        raise hub_errors.foreign(question, f"{quoted(commit)} is no commit")
    return commit
