"""Requests to the Hub. Every answer has an end, in bytes and in seconds, whoever gives it.

The session is huggingface_hub's, with its proxies, certificates and settings: of `requests`, httpx
or httpx2, as its version may be. Their time limits are for one packet each, so a server that sends
a byte now and then is never too late, and a name server that does not answer has no limit at all.
Hence a thread does the talking, and whoever asked waits for it no longer than is reasonable. Bodies
are taken as they come over the line, so that what is packed is unpacked here, within bounds.
"""

from __future__ import annotations

import contextlib
import email.utils
import logging
import queue
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stemsplit.errors import HubUnreachableError
from stemsplit.hub import hub_errors
from stemsplit.quoting import reason

ANSWER_SECONDS = 10.0
"""How long an answer may take to begin."""
STALL_SECONDS = 30.0
"""How long an answer may stand still."""
GRACE_SECONDS = 30.0
MIN_BYTES_PER_SECOND = 2048
"""After the grace, an answer may not have been slower than this on the whole."""
MAX_PAUSE_SECONDS = 30.0
"""What the Hub may ask for between two requests; what asks for more is not waited for."""

_MAX_PAUSES = 3
_BLOCK_BYTES = 1 << 16
_BLOCKS_ON_THE_WAY = 16
_HUB_HEADERS = ("x-error-code", "x-repo-commit", "x-linked-etag")
_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "h11", "requests", "urllib3")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A request; `what` says to people what it is about."""

    url: str
    what: str
    method: Literal["GET", "HEAD"] = "GET"
    follows_redirects: bool = True
    first_byte: int = 0


class Answer:
    """Status, headers (names in lower case) and body of what came back."""

    def __init__(self, question: Question, talk: _Talk) -> None:
        self._talk = talk
        self._what = question.what
        self.status, self.headers = talk.head(self._what)

    @property
    def is_web_page(self) -> bool:
        """Whether it is a page for people, which no Hub sends to a program."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind in ("text/html", "application/xhtml+xml")

    def blocks(self) -> Iterator[bytes]:
        """The body, unpacked, as it comes. Whoever takes it must know when it is too much.

        Raises:
            HubUnreachableError: it breaks off, stands still, or comes too slowly.
        """
        packing = self.headers.get("content-encoding", "identity").strip().lower()
        if packing == "identity":
            return self._timed_blocks()
        if packing in ("gzip", "x-gzip", "deflate"):
            return _unpacked(self._timed_blocks(), self._what)
        raise hub_errors.unusable(self._what, f"is packed as {packing[:20]}")

    def _timed_blocks(self) -> Iterator[bytes]:
        started, num_received = time.monotonic(), 0
        while block := self._talk.block(self._what):
            num_received += len(block)
            slow_for = time.monotonic() - started - GRACE_SECONDS
            if slow_for > 0 and num_received < slow_for * MIN_BYTES_PER_SECOND:
                raise hub_errors.unusable(
                    self._what, f"comes too slowly: {num_received} bytes so far"
                )
            yield block


@contextlib.contextmanager
def asked(question: Question) -> Iterator[Answer]:
    """A context with the Hub's answer to the question, which is not an error.

    If the Hub asks for a short pause first, that is made.

    Raises:
        ModelError: the Hub refuses, or cannot be reached, or someone else answers in its place.
    """
    for number in range(_MAX_PAUSES + 1):
        with _one_answer(question) as answer:
            pause = _wanted_pause(answer)
            if pause is None or number == _MAX_PAUSES:
                _check(question, answer)
                yield answer
                return
            if pause > MAX_PAUSE_SECONDS:
                raise hub_errors.stay_away(question.what, answer.status, pause)
        _log.warning("The Hub asks for a pause of %.0f s before it gives %s.", pause, question.what)
        time.sleep(pause)


def _check(question: Question, answer: Answer) -> None:
    """Raises what an answer means that is neither a body nor, where that is wanted, a redirect."""
    is_from_hub = any(name in answer.headers for name in _HUB_HEADERS)
    # A gateway in front of a Hub that is down has pages too; networks use these.
    is_from_network = answer.status < 400 or answer.status in (403, 404, 407)
    if answer.status == 511 or (answer.is_web_page and is_from_network and not is_from_hub):
        raise hub_errors.web_page(question.what)
    if answer.status in (200, 206) or (answer.status == 416 and question.first_byte):
        return
    if not question.follows_redirects and 300 <= answer.status < 400:
        return
    raise hub_errors.refusal(question.what, answer.status)


@contextlib.contextmanager
def _one_answer(question: Question) -> Iterator[Answer]:
    talk = _Talk(question)
    talk.start()
    try:
        yield Answer(question, talk)
    finally:
        talk.abandon()


def _wanted_pause(answer: Answer) -> float | None:
    """The seconds that the Hub asks to be left alone for, if it does: as a number, or a date."""
    if answer.status not in (429, 503):
        return None
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return None


def _unpacked(blocks: Iterator[bytes], what: str) -> Iterator[bytes]:
    """What gzip or zlib have packed, in blocks of a size that does not depend on how well."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        for block in blocks:
            while block and not unpacker.eof:
                if piece := unpacker.decompress(block, _BLOCK_BYTES):
                    yield piece
                block = unpacker.unconsumed_tail
    except zlib.error as error:
        raise hub_errors.unusable(what, "cannot be unpacked") from error
    if not unpacker.eof:
        raise hub_errors.broken_off(what, "breaks off")


class _Talk(threading.Thread):
    """One request, made beside whoever waits for it."""

    def __init__(self, question: Question) -> None:
        super().__init__(name="stemsplit-hub", daemon=True)
        self._question = question
        self._parts: queue.Queue[Any] = queue.Queue(maxsize=_BLOCKS_ON_THE_WAY)
        self._is_abandoned = threading.Event()

    def head(self, what: str) -> tuple[int, Mapping[str, str]]:
        """Status and headers."""
        found: tuple[int, Mapping[str, str]] = self._part(what, ANSWER_SECONDS)
        return found

    def block(self, what: str) -> bytes:
        """The next bytes of the body, empty at its end."""
        found: bytes = self._part(what, STALL_SECONDS)
        return found

    def abandon(self) -> None:
        """Lets the thread end by itself: it may be in a call that cannot be interrupted."""
        self._is_abandoned.set()

    def run(self) -> None:
        try:
            with _response(self._question) as (head, blocks):
                self._put(head)
                for block in blocks:
                    if block:
                        self._put(block)
            self._put(b"")
        except _AbandonedError:
            pass
        except BaseException as error:
            with contextlib.suppress(_AbandonedError):
                self._put(error)

    def _put(self, part: object) -> None:
        while not self._is_abandoned.is_set():
            with contextlib.suppress(queue.Full):
                self._parts.put(part, timeout=0.1)
                return
        raise _AbandonedError

    def _part(self, what: str, seconds: float) -> Any:
        try:
            part = self._parts.get(timeout=seconds)
        except queue.Empty:
            late = TimeoutError(f"no answer for {seconds:g} s")
            raise hub_errors.unreachable(what, late) from None
        if isinstance(part, BaseException):
            ours = _as_ours(part, what)
            raise ours from (None if ours is part else part)
        return part


class _AbandonedError(Exception):
    """Nobody waits any more."""


def _as_ours(error: BaseException, what: str) -> BaseException:
    """The network's errors as one of ours; a defect, here or in the library, as it is."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return HubUnreachableError(f"{what}: HF_HUB_OFFLINE is set.", hint=hub_errors.OFFLINE_HINT)
    is_library = type(error).__module__.partition(".")[0] in _LIBRARIES
    # Addresses and proxies that make no sense, and a proxy that takes another package.
    is_setting = isinstance(error, ValueError) or "proxy" in reason(error).lower()
    if isinstance(error, OSError) or is_library or is_setting:
        return hub_errors.unreachable(what, error)
    return error


_Response = tuple[tuple[int, Mapping[str, str]], Iterator[bytes]]


@contextlib.contextmanager
def _response(question: Question) -> Iterator[_Response]:
    """Status and headers, and the body as it comes over the line."""
    from huggingface_hub.utils import (  # type: ignore[attr-defined,unused-ignore]
        build_hf_headers,
        get_session,
    )

    # "identity": a packed answer has no length, and its bytes cannot be resumed.
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if question.first_byte:
        headers["Range"] = f"bytes={question.first_byte}-"
    session: Any = get_session()
    talk = _through_httpx if callable(getattr(session, "stream", None)) else _through_requests
    with talk(session, question, headers) as response:
        yield response


@contextlib.contextmanager
def _through_httpx(
    session: Any, question: Question, headers: dict[str, str]
) -> Iterator[_Response]:
    with session.stream(
        question.method,
        question.url,
        headers=headers,
        follow_redirects=question.follows_redirects,
        timeout=STALL_SECONDS,
    ) as response:
        yield (response.status_code, _lower(response.headers)), response.iter_raw()


@contextlib.contextmanager
def _through_requests(
    session: Any, question: Question, headers: dict[str, str]
) -> Iterator[_Response]:
    with session.request(
        question.method,
        question.url,
        headers=headers,
        allow_redirects=question.follows_redirects,
        timeout=STALL_SECONDS,
        stream=True,
    ) as response:
        # Of urllib3 1 only `read`, which waits until it has all that it was asked for.
        read = getattr(response.raw, "read1", None)
        size = _BLOCK_BYTES if read else 1024
        read = read or response.raw.read
        blocks = iter(lambda: read(size, decode_content=False), b"")
        yield (response.status_code, _lower(response.headers)), blocks


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
