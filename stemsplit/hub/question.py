"""What is asked of the Hub, or of a server that has a file of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """A request; `what` says to people what it is about.

    `is_for_hub`: the Hub is told who asks, with the user's token; another server is not, and may
    lead to https addresses only.
    """

    url: str
    what: str
    method: Literal["GET", "HEAD"] = "GET"
    is_for_hub: bool = True
    follows_redirects: bool = True
    first_byte: int = 0

    @property
    def server(self) -> str:
        """Who answers, for people."""
        return "the Hub" if self.is_for_hub else urlsplit(self.url).netloc

    @property
    def subject(self) -> str:
        """As `server`, at the beginning of a sentence."""
        return "The Hub" if self.is_for_hub else self.server

    @property
    def endpoint(self) -> str:
        """The address of who answers."""
        if self.is_for_hub:
            from huggingface_hub import constants

            return constants.ENDPOINT
        return f"{urlsplit(self.url).scheme}://{self.server}"


def is_web_address(url: str) -> bool:
    """Whether it may be asked for a file: by https, or on this machine itself.

    Raises:
        ValueError: it is no address at all.
    """
    parts = urlsplit(url)
    return bool(parts.hostname) and (parts.scheme == "https" or is_loopback(url))


def is_loopback(url: str) -> bool:
    """Whether it is a plain http address of this machine, which nobody else hears.

    Raises:
        ValueError: it is no address at all.
    """
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
