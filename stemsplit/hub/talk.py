"""One request to a server, made beside whoever waits for the answer.

The session is huggingface_hub's, with its proxies, certificates and settings: of `requests`, httpx
or httpx2, as its version may be. Their time limits are for one packet each, so a server that sends
a byte now and then is never too late, and a name server that does not answer has no limit at all.
Hence a thread does the talking, and whoever asked waits for it no longer than is reasonable.
"""

from __future__ import annotations

import contextlib
import os
import queue
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from stemsplit.errors import HubUnreachableError
from stemsplit.hub import hub_errors
from stemsplit.hub.question import Question
from stemsplit.quoting import reason
from stemsplit.version import __version__

ANSWER_SECONDS = 10.0
"""How long an answer may take to begin."""
STALL_SECONDS = 30.0
"""How long an answer may stand still."""
BLOCK_BYTES = 1 << 16
_BLOCKS_ON_THE_WAY = 16
_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "h11", "requests", "urllib3")


class Exchange(threading.Thread):
    """One request, made beside whoever waits for it.

    Raises, where an answer is waited for:
        HubUnreachableError: it does not come in time, or the network failed.
    """

    def __init__(self, question: Question) -> None:
        super().__init__(name="stemsplit-hub", daemon=True)
        self._question = question
        self._parts: queue.Queue[Any] = queue.Queue(maxsize=_BLOCKS_ON_THE_WAY)
        self._is_abandoned = threading.Event()

    def head(self) -> tuple[int, Mapping[str, str]]:
        """Status and headers."""
        found: tuple[int, Mapping[str, str]] = self._part(ANSWER_SECONDS)
        return found

    def block(self) -> bytes:
        """The next bytes of the body, empty at its end."""
        found: bytes = self._part(STALL_SECONDS)
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

    def _part(self, seconds: float) -> Any:
        seconds = _patience(seconds)
        try:
            part = self._parts.get(timeout=seconds)
        except queue.Empty:
            late = TimeoutError(f"no answer for {seconds:g} s")
            raise hub_errors.unreachable(self._question, late) from None
        if isinstance(part, BaseException):
            ours = _as_ours(part, self._question)
            raise ours from (None if ours is part else part)
        return part


def _patience(seconds: float) -> float:
    """`seconds`, or more where the user has set huggingface_hub's own limit to more."""
    text = os.environ.get("HF_HUB_DOWNLOAD_TIMEOUT", "")
    return max(seconds, float(text)) if re.fullmatch("[0-9]{1,4}", text) else seconds


class _AbandonedError(Exception):
    """Nobody waits any more."""


def _as_ours(error: BaseException, question: Question) -> BaseException:
    """The network's errors as one of ours; a defect, here or in the library, as it is."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return HubUnreachableError(
            f"{question.what}: HF_HUB_OFFLINE is set.", hint=hub_errors.OFFLINE_HINT
        )
    is_library = type(error).__module__.partition(".")[0] in _LIBRARIES
    # Addresses and proxies that make no sense, and a proxy that takes another package.
    is_setting = isinstance(error, ValueError) or "proxy" in reason(error).lower()
    if isinstance(error, OSError) or is_library or is_setting:
        return hub_errors.unreachable(question, error)
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
    own = build_hf_headers() if question.is_for_hub else {"User-Agent": f"stemsplit/{__version__}"}
    headers = {**own, "Accept-Encoding": "identity"}
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
        follow_redirects=question.is_for_hub and question.follows_redirects,
        timeout=_patience(STALL_SECONDS),
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
        allow_redirects=question.is_for_hub and question.follows_redirects,
        timeout=_patience(STALL_SECONDS),
        stream=True,
    ) as response:
        # Of urllib3 1 only `read`, which waits until it has all that it was asked for.
        read = getattr(response.raw, "read1", None)
        size = BLOCK_BYTES if read else 1024
        read = read or response.raw.read
        blocks = iter(lambda: read(size, decode_content=False), b"")
        yield (response.status_code, _lower(response.headers)), blocks


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
