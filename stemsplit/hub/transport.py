"""Requests to servers. Every answer has an end, in bytes and in seconds, whoever gives it.

Bodies are taken as they come over the line, so that what is packed is unpacked here, within bounds.
"""

from __future__ import annotations

import contextlib
import email.utils
import logging
import re
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urljoin

from stemsplit.hub import hub_errors
from stemsplit.hub.question import Question, is_loopback, is_web_address
from stemsplit.hub.talk import BLOCK_BYTES, Exchange
from stemsplit.quoting import quoted

GRACE_SECONDS = 30.0
MIN_BYTES_PER_SECOND = 2048
"""After the grace, an answer may not have been slower than this on the whole."""
MAX_PAUSE_SECONDS = 30.0
"""What the Hub may ask for between two requests; what asks for more is not waited for."""

_MAX_PAUSES = 3
_MAX_REDIRECTS = 5
_HUB_HEADERS = ("x-error-code", "x-repo-commit", "x-linked-etag")

_log = logging.getLogger(__name__)


class HttpAnswer:
    """Status, headers (names in lower case) and body of what came back."""

    def __init__(self, question: Question, talk: Exchange) -> None:
        self._talk = talk
        self._question = question
        self.status, self.headers = talk.head()

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
            return _unpacked(self._timed_blocks(), self._question)
        raise hub_errors.unusable(self._question, f"is packed as {packing[:20]}")

    def _timed_blocks(self) -> Iterator[bytes]:
        started, num_received = time.monotonic(), 0
        while block := self._talk.block():
            num_received += len(block)
            slow_for = time.monotonic() - started - GRACE_SECONDS
            if slow_for > 0 and num_received < slow_for * MIN_BYTES_PER_SECOND:
                raise hub_errors.unusable(
                    self._question, f"comes too slowly: {num_received} bytes so far"
                )
            yield block


@contextlib.contextmanager
def asked(question: Question) -> Iterator[HttpAnswer]:
    """A context with the answer to the question, which is not an error.

    If a short pause is asked for first, that is made.

    Raises:
        ModelError: the server refuses, or cannot be reached, or someone else answers in its place.
    """
    for number in range(_MAX_PAUSES + 1):
        with _one_answer(question) as answer:
            pause = _wanted_pause(answer)
            if pause is None or number == _MAX_PAUSES:
                _check(question, answer)
                yield answer
                return
            if pause > MAX_PAUSE_SECONDS:
                raise hub_errors.stay_away(question, answer.status, pause)
        _log.warning(
            "%s asks for a pause of %.0f s before it gives %s.",
            *(question.subject, pause, question.what),
        )
        time.sleep(pause)


def _check(question: Question, answer: HttpAnswer) -> None:
    """Raises what an answer means that is neither a body nor, where that is wanted, a redirect."""
    is_from_hub = any(name in answer.headers for name in _HUB_HEADERS)
    # A gateway in front of a Hub that is down has pages too; networks use these, as any web server.
    is_from_network = answer.status < 400 or (
        question.is_for_hub and answer.status in (403, 404, 407)
    )
    if answer.status == 511 or (answer.is_web_page and is_from_network and not is_from_hub):
        raise hub_errors.web_page(question)
    if answer.status in (200, 206) or (answer.status == 416 and question.first_byte):
        return
    if not question.follows_redirects and 300 <= answer.status < 400:
        return
    raise hub_errors.refusal(question, answer.status)


@contextlib.contextmanager
def _one_answer(question: Question) -> Iterator[HttpAnswer]:
    asked_for = question
    for _ in range(_MAX_REDIRECTS):
        talk = Exchange(question)
        talk.start()
        try:
            answer = HttpAnswer(question, talk)
            target = _redirect(question, answer)
            if target is None:
                yield answer
                return
        finally:
            talk.abandon()
        question = replace(question, url=target)
    raise hub_errors.foreign(asked_for, "it leads in circles")


def _redirect(question: Question, answer: HttpAnswer) -> str | None:
    """Where a server that is not the Hub leads, if it leads elsewhere.

    Raises:
        OtherAnswerError: that is nowhere to go.
    """
    if question.is_for_hub or not 300 <= answer.status < 400:
        return None
    target = answer.headers.get("location", "")
    try:
        url = urljoin(question.url, target)
        if is_web_address(url) and (is_loopback(question.url) or not is_loopback(url)):
            return url
    except ValueError:
        pass
    raise hub_errors.foreign(question, f"it leads to {quoted(target)}, which is no https address")


def _wanted_pause(answer: HttpAnswer) -> float | None:
    """The seconds that the Hub asks to be left alone for, if it does: as a number, or a date."""
    if answer.status not in (429, 503):
        return None
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    return None


def announced_bytes(text: str | None, question: Question) -> int | None:
    """The number of bytes that a header says; None if it is not there.

    Raises:
        OtherAnswerError: it is no number.
    """
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text.strip()):
        raise hub_errors.foreign(question, f"{quoted(text)} is no size")
    return int(text)


def _unpacked(blocks: Iterator[bytes], question: Question) -> Iterator[bytes]:
    """What gzip or zlib have packed, in blocks of a size that does not depend on how well."""
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        for block in blocks:
            while block and not unpacker.eof:
                if piece := unpacker.decompress(block, BLOCK_BYTES):
                    yield piece
                block = unpacker.unconsumed_tail
    except zlib.error as error:
        raise hub_errors.unusable(question, "cannot be unpacked") from error
    if not unpacker.eof:
        raise hub_errors.broken_off(question, "breaks off")
