"""A Hub of our own on 127.0.0.1: what huggingface_hub asks for through HF_ENDPOINT, no more.

It is a plain web server as well, with the files of `web_files`.

    def test_something(hub: Hub) -> None:
        hub.add("owner/repo", {"name.yaml": b"...", "sig.safetensors": b"..."})
        resolve("hf://owner/repo")

`hub` (a fixture in tests/hub/conftest.py; `running_hub` elsewhere) points this process at it, with
an empty HF_HOME. `hub.env()` does the same for a subprocess.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

_RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<file>.+)")
_WEB = re.compile(r"/web/(?P<file>.+)")
_API = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)(?:/revision/(?P<revision>[^/]+))?")


@dataclass(frozen=True)
class Request:
    """One request that the Hub saw; `range` is the Range header, `token` the Authorization."""

    method: str
    path: str
    range: str | None
    token: str | None = None


@dataclass(frozen=True)
class Reply:
    """What a test has the Hub say in place of what it would say.

    `body` are the pieces of it, which may be without end: none is sent to whoever has gone. They
    are sent until the connection closes, unless `headers` have a Content-Length.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Iterable[bytes] = ()


@dataclass
class Commit:
    """One state of a repository."""

    sha: str
    files: dict[str, bytes]


@dataclass
class Hub:
    """The server, what it serves, how it misbehaves and what it was asked."""

    home: Path
    endpoint: str = ""
    requests: list[Request] = field(default_factory=list)
    break_after_bytes: int | None = None
    """The next transfer of a safetensors file stops after so many bytes."""
    stays_broken: bool = False
    """After a broken transfer, `refuse_downloads` sets in."""
    refuse_status: int | None = None
    """Every answer is this status (401, 403, 404, 503)."""
    refuse_downloads: bool = False
    """GET of a file is answered 503; HEAD and the API still work."""
    corrupt: bool = False
    """Files are sent with one bit flipped, under the etag of the true content."""
    etags: dict[str, str] = field(default_factory=dict)
    """Tags, by the names of files, in place of digests."""
    reply: Callable[[Request], Reply | None] = lambda _: None
    """What is said in place of the usual answer, if anything."""
    hang: threading.Event = field(default_factory=threading.Event)
    """While set, requests are accepted and never answered."""
    web_files: dict[str, bytes] = field(default_factory=dict)
    """Files of a plain web server, by their paths below `web_address`."""
    _repos: dict[str, list[Commit]] = field(default_factory=dict)

    @property
    def web_address(self) -> str:
        return f"{self.endpoint}/web"

    def add(self, repo_id: str, files: Mapping[str, bytes], *, sha: str | None = None) -> str:
        """Adds a commit with exactly these files on top of `main` and returns its hash.

        `sha` is the hash, where a test needs a certain one; the files tell else.
        """
        digest = hashlib.sha1(repo_id.encode())
        for name, content in sorted(files.items()):
            digest.update(name.encode() + content)
        sha = sha or digest.hexdigest()
        self._repos.setdefault(repo_id, []).append(Commit(sha, dict(files)))
        return sha

    def add_folder(self, repo_id: str, folder: Path) -> str:
        """Adds a commit with the files of a folder."""
        return self.add(repo_id, {file.name: file.read_bytes() for file in folder.iterdir()})

    def find(self, repo_id: str, revision: str) -> Commit | None:
        commits = self._repos.get(repo_id, [])
        if revision == "main":
            return commits[-1] if commits else None
        return next((commit for commit in commits if commit.sha == revision), None)

    def env(self) -> dict[str, str]:
        """The environment for a subprocess that should see this Hub and its own cache."""
        return {
            **os.environ,
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(self.home),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }

    def requested_files(self) -> list[str]:
        """The names of the files whose content was asked for, in order."""
        paths = [request.path for request in self.requests if request.method == "GET"]
        found = ((_RESOLVE.fullmatch(path) or _WEB.fullmatch(path)) for path in paths)
        return [match["file"] for match in found if match]

    def forget_requests(self) -> None:
        self.requests.clear()


LARGE_KINDS = (".safetensors", ".th", ".ckpt", ".pth", ".onnx")


def etag_of(name: str, content: bytes) -> str:
    """The tag that the Hub gives: sha256 for large kinds of files, git's blob id for small ones."""
    if name.endswith(LARGE_KINDS):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Requests are kept in `hub.requests`, not printed."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        request = Request(
            self.command, path, self.headers.get("Range"), self.headers.get("Authorization")
        )
        self.hub.requests.append(request)
        while self.hub.hang.is_set():
            self.hub.hang.wait(0.05)
            threading.Event().wait(0.05)
        reply = self.hub.reply(request)
        if reply is not None:
            self._send_reply(reply)
        elif self.hub.refuse_status is not None:
            self._send_error(self.hub.refuse_status, "refused")
        elif match := _RESOLVE.fullmatch(path):
            self._answer_file(match["repo"], match["revision"], match["file"])
        elif match := _WEB.fullmatch(path):
            self._answer_web_file(match["file"])
        elif match := _API.fullmatch(path):
            self._answer_info(match["repo"], match["revision"] or "main")
        else:
            self._send_error(404, "EntryNotFound")

    def _answer_info(self, repo_id: str, revision: str) -> None:
        commit = self._find(repo_id, revision)
        if commit is None:
            return
        siblings = [{"rfilename": name} for name in commit.files]
        body = json.dumps({"id": repo_id, "sha": commit.sha, "siblings": siblings}).encode()
        self._send(200, {"Content-Type": "application/json"}, body)

    def _answer_file(self, repo_id: str, revision: str, name: str) -> None:
        commit = self._find(repo_id, revision)
        if commit is None:
            return
        content = commit.files.get(name)
        if content is None:
            self._send_error(404, "EntryNotFound")
            return
        etag = self.hub.etags.get(name, etag_of(name, content))
        headers = {"X-Repo-Commit": commit.sha, "ETag": f'"{etag}"'}
        if name.endswith(LARGE_KINDS):
            headers["X-Linked-Etag"] = headers["ETag"]
            headers["X-Linked-Size"] = str(len(content))
        self._send_content(headers, content, breakable=name.endswith(".safetensors"))

    def _answer_web_file(self, name: str) -> None:
        content = self.hub.web_files.get(name)
        if content is None:
            self._send(404, {"Content-Type": "text/html"}, b"<html>Not found")
        else:
            self._send_content({"ETag": '"0123-4567"'}, content, breakable=True)

    def _send_content(self, headers: dict[str, str], content: bytes, *, breakable: bool) -> None:
        if self.hub.refuse_downloads and self.command == "GET":
            self._send_error(503, "refused")
            return
        if self.hub.corrupt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        status, start = 200, 0
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or ""):
            status, start = 206, int(match[1])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._send(status, headers, content[start:], breakable=breakable)

    def _find(self, repo_id: str, revision: str) -> Commit | None:
        commit = self.hub.find(repo_id, revision)
        if commit is None:
            known = self.hub.find(repo_id, "main") is not None
            self._send_error(404, "RevisionNotFound" if known else "RepoNotFound")
        return commit

    def _send_reply(self, reply: Reply) -> None:
        self.close_connection = True
        self.send_response(reply.status)
        for key, value in reply.headers.items():
            self.send_header(key, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        with contextlib.suppress(OSError):  # nobody listens any more
            for piece in reply.body:
                self.wfile.write(piece)

    def _send_error(self, status: int, code: str) -> None:
        self._send(status, {"X-Error-Code": code, "X-Error-Message": code}, b"")

    def _send(
        self, status: int, headers: Mapping[str, str], body: bytes, *, breakable: bool = False
    ) -> None:
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if breakable and self.hub.break_after_bytes is not None:
            self.wfile.write(body[: self.hub.break_after_bytes])
            self.hub.break_after_bytes = None
            self.hub.refuse_downloads = self.hub.stays_broken
            self.close_connection = True
            return
        self.wfile.write(body)


@contextlib.contextmanager
def serve(home: Path) -> Iterator[Hub]:
    """A running Hub without any repository; it stops at the end of the block."""
    hub = Hub(home=home)
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.hang.clear()
        server.shutdown()
        server.server_close()
        thread.join()


def point_process_at(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes huggingface_hub in this process, imported or not, use this Hub and its cache."""
    from huggingface_hub import constants, file_download, hf_api, utils

    for name in ("HF_ENDPOINT", "HF_HOME", "HF_HUB_DISABLE_XET", "NO_PROXY"):
        monkeypatch.setenv(name, hub.env()[name])
    monkeypatch.delenv("HF_TOKEN", raising=False)
    values = {
        "ENDPOINT": hub.endpoint,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HOME": str(hub.home),
        "HF_HUB_CACHE": str(hub.home / "hub"),
        "HF_ASSETS_CACHE": str(hub.home / "assets"),
        "HF_TOKEN_PATH": str(hub.home / "token"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        # Small enough that a transfer which breaks has left some bytes behind.
        "DOWNLOAD_CHUNK_SIZE": 1024,
    }
    for name, value in values.items():
        monkeypatch.setattr(constants, name, value)
        for module in (file_download, hf_api, utils):  # some versions copy what they import
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(hf_api.api, "endpoint", hub.endpoint)


@contextlib.contextmanager
def running_hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A running Hub that this process talks to."""
    with serve(home) as hub:
        point_process_at(hub, monkeypatch)
        yield hub
