"""Answers that no Hub gives: without end, packed, too slow, from somebody else, or odd.

What they all come to is exit code 3 with words, little on the disk, and soon.
"""

from __future__ import annotations

import email.utils
import gzip
import itertools
import json
import os
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from stemsplit.cli.app import app
from stemsplit.errors import (
    CheckpointError,
    HubUnreachableError,
    ModelError,
    NotOnHubError,
    UsageError,
)
from stemsplit.hub import talk, transfer, transport
from stemsplit.hub.cache import HubRepo
from stemsplit.hub.download import fetch_file
from stemsplit.hub.remote import list_files
from stemsplit.hub.resolve import resolve
from stemsplit.hub.transfer import Connection
from tests.checkpoints.hostile_texts import LAUGHS
from tests.hub.loopback import Hub, Reply, Request
from tests.hub.resolving import resolve_in_subprocess

REPO = "someone/model"
CONTENT = bytes(range(256)) * 64
FILES = {"model.yaml": b"models: [one]\n", "one.safetensors": CONTENT, "two.safetensors": b"2"}
MEBIBYTE = bytes(1 << 20)
QUIET = Connection()
PAGE = Reply(headers={"Content-Type": "text/html; charset=utf-8"}, body=[b"<html>Please log in"])


@pytest.fixture
def repo(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> HubRepo:
    monkeypatch.setattr(transfer, "_PAUSE_SECONDS", 0)
    hub.add(REPO, FILES)
    return HubRepo(repo_id=REPO, revision="main")


def bytes_in(hub: Hub) -> int:
    return sum(path.lstat().st_size for path in hub.home.rglob("*") if path.is_file())


def content(reply: Reply) -> Callable[[Request], Reply | None]:
    """Answers with `reply` when the content of a file is asked for."""
    return lambda asked: reply if asked.method == "GET" and "/resolve/" in asked.path else None


def everything(reply: Reply) -> Callable[[Request], Reply | None]:
    return lambda _: reply


def endless() -> Iterator[bytes]:
    return itertools.repeat(MEBIBYTE)


def chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    return (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


@cache
def bomb() -> bytes:
    """A hundred mebibytes of zeros, packed."""
    packer = zlib.compressobj(wbits=31)
    return b"".join([*(packer.compress(MEBIBYTE) for _ in range(100)), packer.flush()])


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=endless()),
        Reply(headers={"Transfer-Encoding": "chunked"}, body=chunked(endless())),
        Reply(headers={"Content-Length": str(1 << 40)}, body=endless()),
        Reply(headers={"Content-Encoding": "gzip"}, body=[bomb()]),
    ],
    ids=["until the end", "chunked", "long", "packed"],
)
@pytest.mark.parametrize("name", ["model.yaml", "one.safetensors"])
def test_a_body_is_taken_up_to_the_length_that_was_announced(
    hub: Hub, repo: HubRepo, reply: Reply, name: str
) -> None:
    hub.reply = content(reply)
    with pytest.raises(CheckpointError, match=rf"{name} .* is longer than {len(FILES[name])} byt"):
        fetch_file(repo, name, QUIET)
    assert bytes_in(hub) == 0


@pytest.mark.parametrize(
    ("name", "limit"),
    [("one.safetensors", "MAX_UNANNOUNCED_BYTES"), ("model.yaml", "MAX_DESCRIPTION_BYTES")],
)
def test_a_body_of_no_announced_length_has_a_limit_too(
    hub: Hub, repo: HubRepo, monkeypatch: pytest.MonkeyPatch, name: str, limit: str
) -> None:
    commit = hub.add(REPO, FILES)
    monkeypatch.setattr(transfer, limit, 5 << 20)
    hub.reply = everything(
        Reply(headers={"X-Repo-Commit": commit, "ETag": '"foreign"'}, body=endless())
    )
    with pytest.raises(CheckpointError, match="is longer than 5242880 bytes, which is as much as"):
        fetch_file(repo, name, QUIET)
    assert bytes_in(hub) == 0
    headers = {"X-Repo-Commit": commit, "ETag": '"foreign"', "Transfer-Encoding": "chunked"}
    hub.reply = lambda asked: Reply(headers=headers) if asked.method == "HEAD" else None
    assert fetch_file(repo, name, QUIET).path.read_bytes() == FILES[name]


def test_what_has_no_room_is_not_begun(
    hub: Hub, repo: HubRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
    for size, message in (
        (1 << 50, "more than such a file may have"),
        (10**40, "no size"),
        (-5, "no size"),
        (15 << 30, r"takes 16\.11 GB, and .* has 0\.00 GB free"),
    ):
        headers = {"X-Repo-Commit": "a" * 40, "ETag": '"b"', "X-Linked-Size": str(size)}
        hub.reply = everything(Reply(headers=headers, body=endless()))
        with pytest.raises(ModelError, match=message):
            fetch_file(repo, "one.safetensors", QUIET)
    assert hub.requested_files() == []


def test_a_packed_answer_is_unpacked(hub: Hub, repo: HubRepo) -> None:
    hub.reply = content(Reply(headers={"Content-Encoding": "gzip"}, body=[gzip.compress(CONTENT)]))
    assert fetch_file(repo, "one.safetensors", QUIET).path.read_bytes() == CONTENT
    packed = gzip.compress(FILES["model.yaml"])
    hub.reply = content(Reply(headers={"Content-Encoding": "br"}, body=[packed]))
    with pytest.raises(HubUnreachableError, match="is packed as br"):
        fetch_file(repo, "model.yaml", QUIET)
    for damaged, message in ((packed[:10], "breaks off"), (b"no gzip", "cannot be unpacked")):
        hub.reply = content(Reply(headers={"Content-Encoding": "gzip"}, body=[damaged]))
        with pytest.raises(HubUnreachableError, match=message):
            fetch_file(repo, "model.yaml", QUIET)


@pytest.mark.parametrize(
    "reply",
    [
        PAGE,
        Reply(403, PAGE.headers, PAGE.body),
        Reply(404, PAGE.headers, PAGE.body),
        Reply(511, {}, [b"log in"]),
        Reply(302, {"Location": "http://127.0.0.1:9/login"}),
        Reply(302, {"Location": "/login", **PAGE.headers}),
        Reply(302, {"Location": "//[::"}),
        Reply(headers={"Content-Type": "application/json"}, body=[b" \n<!DOCTYPE html><p>"]),
    ],
    ids=["page", "forbidden", "missing", "511", "elsewhere", "circle", "nowhere", "called JSON"],
)
@pytest.mark.parametrize("reference", ["htdemucs", f"hf://{REPO}"])
def test_a_login_page_is_no_model_and_no_defect(hub: Hub, reply: Reply, reference: str) -> None:
    hub.reply = everything(reply)
    with pytest.raises(HubUnreachableError, match=r"web page|leads in circles|not one that|Cannot"):
        resolve(reference)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_hub_that_is_down_is_no_login_page(hub: Hub, repo: HubRepo, status: int) -> None:
    hub.reply = everything(Reply(status, PAGE.headers, PAGE.body))
    with pytest.raises(HubUnreachableError, match=f"The Hub answered {status} for"):
        list_files(repo)
    with pytest.raises(HubUnreachableError, match=f"The Hub answered {status} for"):
        fetch_file(repo, "model.yaml", QUIET)


def test_aliases_that_stand_for_billions_of_values_are_refused_from_the_hub_too(hub: Hub) -> None:
    hub.add(REPO, {"model.yaml": LAUGHS.encode(), "one.safetensors": CONTENT})
    with pytest.raises(CheckpointError, match="more than 65536 values") as error:
        resolve(f"hf://{REPO}")
    assert len(str(error.value)) < 600 + len(str(hub.home))


def test_whoever_talks_to_the_hub_stops_when_nobody_listens(hub: Hub, repo: HubRepo) -> None:
    hub.reply = content(Reply(body=endless()))
    with pytest.raises(CheckpointError, match="is longer than"):
        fetch_file(repo, "one.safetensors", QUIET)
    for thread in threading.enumerate():
        if thread.name == "stemsplit-hub":
            thread.join(60)
            assert not thread.is_alive()


def test_a_login_page_in_place_of_a_file_is_not_kept(hub: Hub, repo: HubRepo) -> None:
    hub.reply = content(PAGE)
    with pytest.raises(HubUnreachableError, match=r"answered with a web page .* login page in fro"):
        fetch_file(repo, "one.safetensors", QUIET)
    assert bytes_in(hub) == 0


@pytest.mark.parametrize(
    "document",
    [
        *(None, [], [1], "text", 7, 1e300, {}, {"sha": "a" * 40}, {"siblings": []}),
        *({"sha": 7, "siblings": []}, {"sha": "a" * 40, "siblings": {}}, {"sha": None}),
        *({"sha": "../../up", "siblings": []}, {"sha": "", "siblings": []}, {"error": "no"}),
        *({"sha": "x" * 10**6, "siblings": []}, {"x": "y" * (5 << 20)}),
    ],
    ids=lambda document: json.dumps(document)[:40],
)
def test_odd_json_is_said_to_be_none_of_a_hub(hub: Hub, repo: HubRepo, document: Any) -> None:
    hub.reply = everything(Reply(body=[json.dumps(document).encode()]))
    with pytest.raises(HubUnreachableError, match="not one that a Hub gives") as error:
        list_files(repo)
    assert len(str(error.value)) < 600


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[" * 10**6, b"\xff\xfe", b'{"a":' * 50_000, b"9" * 10**5, b"NaN"]
)
def test_what_is_no_json_is_said_to_be_none_of_a_hub(hub: Hub, repo: HubRepo, body: bytes) -> None:
    hub.reply = everything(Reply(body=[body]))
    with pytest.raises(HubUnreachableError, match="not one that a Hub gives"):
        list_files(repo)


def test_names_in_the_answer_are_names_or_left_out(hub: Hub, repo: HubRepo) -> None:
    names = ["model.yaml", "../up", 7, None, ["a"], ".hidden", "a/b", "x" * 300, "é", "a\n"]
    siblings = [*({"rfilename": name} for name in names), {}, 7, None, []]
    document = {"sha": "a" * 40, "siblings": siblings}
    hub.reply = everything(Reply(body=[json.dumps(document).encode()]))
    assert list_files(repo) == ("a" * 40, ["model.yaml"])


def test_an_endless_answer_about_a_repository_is_cut(hub: Hub, repo: HubRepo) -> None:
    for headers, body in (({}, endless()), ({"Content-Encoding": "gzip"}, iter([bomb()]))):
        hub.reply = everything(Reply(headers=headers, body=body))
        with pytest.raises(HubUnreachableError, match="more than 4194304 bytes"):
            list_files(repo)


@pytest.mark.parametrize("status", [429, 503])
def test_a_day_of_silence_is_not_waited_out(hub: Hub, repo: HubRepo, status: int) -> None:
    day = email.utils.formatdate(time.time() + 86400, usegmt=True)
    for wanted in ("86400", day, "9" * 4000):
        hub.reply = everything(Reply(status, {"Retry-After": wanted}))
        for ask in (lambda: list_files(repo), lambda: fetch_file(repo, "model.yaml", QUIET)):
            with pytest.raises(HubUnreachableError, match=rf"{status} .* alone for \d.*hours"):
                ask()
    assert len(hub.requests) == 6


def test_a_short_pause_is_made_and_an_endless_wish_for_one_is_not(
    hub: Hub, repo: HubRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(transport.time, "sleep", pauses.append)
    answers = iter([Reply(429, {"Retry-After": "7"}), Reply(503, {"Retry-After": "0"})])
    hub.reply = lambda _: next(answers, None)
    assert fetch_file(repo, "model.yaml", QUIET).path.read_bytes() == FILES["model.yaml"]
    assert pauses == [7, 0]
    hub.reply = everything(Reply(429, {"Retry-After": "2"}))
    with pytest.raises(HubUnreachableError, match="answered 429"):
        fetch_file(repo, "one.safetensors", QUIET)
    assert pauses == [7, 0, 2, 2, 2]
    hub.reply = everything(Reply(429, {"Retry-After": "soon"}))
    with pytest.raises(HubUnreachableError, match="answered 429"):
        list_files(repo)


def drip() -> Iterator[bytes]:
    for _ in range(1000):
        yield b"x"
        time.sleep(0.02)


def test_a_body_that_drips_is_given_up(
    hub: Hub, repo: HubRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "GRACE_SECONDS", 0.2)
    hub.reply = content(Reply(headers={"Content-Length": str(len(CONTENT))}, body=drip()))
    with pytest.raises(HubUnreachableError, match="comes too slowly"):
        fetch_file(repo, "one.safetensors", QUIET)
    hub.reply = everything(Reply(body=drip()))
    with pytest.raises(HubUnreachableError, match="comes too slowly"):
        list_files(repo)


def test_headers_that_drip_and_bodies_that_stop_are_given_up(
    hub: Hub, repo: HubRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(talk, "STALL_SECONDS", 0.2)

    def stopping() -> Iterator[bytes]:
        yield CONTENT[:5000]
        time.sleep(2)

    hub.reply = content(Reply(headers={"Content-Length": str(len(CONTENT))}, body=stopping()))
    with pytest.raises(HubUnreachableError, match=r"Cannot fetch one\.safe"):
        fetch_file(repo, "one.safetensors", QUIET)
    hub.hang.set()
    started = time.monotonic()
    with pytest.raises(HubUnreachableError, match="Cannot fetch someone/model"):
        list_files(repo)
    assert time.monotonic() - started < 60


def test_who_has_set_more_patience_has_it(
    hub: Hub, repo: HubRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk, "ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(talk, "STALL_SECONDS", 0.01)

    def late(_: Request) -> Reply | None:
        time.sleep(0.3)
        return None

    hub.reply = late
    with pytest.raises(HubUnreachableError, match="Cannot fetch"):
        list_files(repo)
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "60")
    assert sorted(list_files(repo)[1]) == sorted(FILES)


def test_a_broken_transfer_goes_on_by_itself(hub: Hub, repo: HubRepo) -> None:
    def breaking(asked: Request) -> Reply | None:
        if asked.method != "GET":
            return None
        start = int((asked.range or "bytes=0-")[6:-1])
        headers = {
            "Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}",
            "Content-Length": str(len(CONTENT) - start),
        }
        return Reply(206 if start else 200, headers, [CONTENT[start : start + 6000]])

    hub.reply = breaking
    assert fetch_file(repo, "one.safetensors", QUIET).path.read_bytes() == CONTENT
    ranges = [request.range for request in hub.requests if request.method == "GET"]
    assert ranges == [None, "bytes=6000-", "bytes=12000-"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Range": "bytes 0-16383/16384"},
        {"Content-Range": "bytes 5000-16383/99999"},
        {"Content-Range": "bytes 5000-16383/*", "Content-Encoding": "gzip"},
        {"Content-Range": "all of it"},
    ],
)
def test_the_rest_of_a_file_is_only_taken_for_what_it_is(
    hub: Hub, repo: HubRepo, headers: dict[str, str]
) -> None:
    hub.break_after_bytes, hub.stays_broken = 5000, True
    with pytest.raises(HubUnreachableError):
        fetch_file(repo, "one.safetensors", QUIET)
    hub.refuse_downloads = False
    hub.reply = content(Reply(206, headers, [CONTENT[5000:]]))
    with pytest.raises((CheckpointError, HubUnreachableError)):
        fetch_file(repo, "one.safetensors", QUIET)
    hub.reply = lambda _: None
    assert fetch_file(repo, "one.safetensors", QUIET).path.read_bytes() == CONTENT


def test_a_file_that_became_shorter_is_fetched_from_its_beginning(hub: Hub, repo: HubRepo) -> None:
    hub.break_after_bytes, hub.stays_broken = 5000, True
    with pytest.raises(HubUnreachableError):
        fetch_file(repo, "one.safetensors", QUIET)
    hub.refuse_downloads = False
    answers = iter([Reply(416)])
    hub.reply = lambda asked: next(answers, None) if asked.method == "GET" else None
    with pytest.raises(HubUnreachableError, match="not of the size that it had"):
        fetch_file(repo, "one.safetensors", QUIET)
    assert fetch_file(repo, "one.safetensors", QUIET).path.read_bytes() == CONTENT


def test_two_files_with_one_foreign_tag_stay_two(hub: Hub, repo: HubRepo) -> None:
    hub.etags = dict.fromkeys(FILES, "W/same")
    found = {name: fetch_file(repo, name, QUIET).path for name in FILES}
    assert {name: path.read_bytes() for name, path in found.items()} == FILES
    hub.forget_requests()
    again = {name: fetch_file(repo, name, QUIET).path.read_bytes() for name in FILES}
    assert again == FILES
    assert hub.requests == []
    found["two.safetensors"].resolve().write_bytes(b"3")
    assert fetch_file(repo, "two.safetensors", QUIET).path.read_bytes() == b"2"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "pipe"])
def test_a_partial_file_that_is_something_else_is_never_written_through(
    hub: Hub, repo: HubRepo, tmp_path: Path, kind: str
) -> None:
    hub.break_after_bytes, hub.stays_broken = 5000, True
    with pytest.raises(HubUnreachableError):
        fetch_file(repo, "one.safetensors", QUIET)
    hub.refuse_downloads = False
    (partial,) = hub.home.rglob("*.incomplete")
    partial.unlink()
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    make: dict[str, Callable[[], None]] = {
        "link": lambda: partial.symlink_to(victim),
        "dangling link": lambda: partial.symlink_to(tmp_path / "none"),
        "hard link": lambda: os.link(victim, partial),
        "pipe": lambda: os.mkfifo(partial),
    }
    make[kind]()
    path = fetch_file(repo, "one.safetensors", QUIET).path
    assert path.read_bytes() == CONTENT
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "none").exists()
    assert path.resolve().lstat().st_nlink == 1


def test_a_partial_file_that_is_a_folder_is_the_disk_s_fault(hub: Hub, repo: HubRepo) -> None:
    hub.break_after_bytes, hub.stays_broken = 5000, True
    with pytest.raises(HubUnreachableError):
        fetch_file(repo, "one.safetensors", QUIET)
    hub.refuse_downloads = False
    (partial,) = hub.home.rglob("*.incomplete")
    partial.unlink()
    partial.mkdir()
    with pytest.raises(ModelError, match="Cannot write the model to"):
        fetch_file(repo, "one.safetensors", QUIET)


def test_a_ref_is_not_written_through_a_link_and_odd_ones_are_none(
    hub: Hub, repo: HubRepo, tmp_path: Path
) -> None:
    fetch_file(repo, "model.yaml", QUIET)
    (ref,) = hub.home.rglob("refs/main")
    victim = tmp_path / "victim"
    victim.write_bytes(b"../../../..\n")
    ref.unlink()
    ref.symlink_to(victim)
    with pytest.raises(HubUnreachableError, match="stays offline"):
        fetch_file(repo, "model.yaml", Connection(offline=True))
    fetch_file(repo, "model.yaml", QUIET)
    assert victim.read_bytes() == b"../../../..\n"
    assert ref.read_text() == hub.find(REPO, "main").sha  # type: ignore[union-attr]
    for odd in (b"\xff\xfe", bytes(10**6), b"", b"x" * 300):
        ref.write_bytes(odd)
        with pytest.raises(HubUnreachableError, match="stays offline"):
            fetch_file(repo, "model.yaml", Connection(offline=True))


@pytest.mark.slow
@pytest.mark.parametrize(
    "setting",
    [
        *({"HF_ENDPOINT": end} for end in ("foo", "http://[bad", "http://127.0.0.1:99999")),
        *({"HF_ENDPOINT": end} for end in ("ftp://127.0.0.1", "http://a b/", "http://x.invalid")),
        {"HTTP_PROXY": "foo:bar", "HF_ENDPOINT": "http://127.0.0.1:9"},
        {"ALL_PROXY": "socks5://127.0.0.1:9", "NO_PROXY": ""},
        *({"HF_TOKEN": token, "HF_ENDPOINT": "http://127.0.0.1:9"} for token in ("a\nb", "é")),
    ],
    ids=str,
)
def test_settings_that_make_no_sense_are_no_defects(hub: Hub, setting: dict[str, str]) -> None:
    said = resolve_in_subprocess({**hub.env(), **setting})
    assert "Cannot fetch htdemucs.yaml" in said or "HF_ENDPOINT is no address: 'http" in said


@pytest.mark.parametrize("model", ["htdemucs", f"hf://{REPO}"])
def test_a_login_page_is_exit_code_3(hub: Hub, tmp_path: Path, model: str) -> None:
    hub.reply = everything(PAGE)
    song = tmp_path / "song.wav"
    soundfile.write(song, np.zeros((4410, 2)), 44100)
    result = CliRunner().invoke(app, [str(song), "-m", model, "-o", str(tmp_path / "out")])
    assert result.exit_code == 3
    assert "is there a login page in front of the network?" in result.stderr.lower()
    assert "defect" not in result.stderr


def test_repositories_whose_names_no_hub_has_are_refused(hub: Hub) -> None:
    with pytest.raises(UsageError, match="is not a model on the Hub"):
        resolve("hf://some--one/model")
    with pytest.raises(NotOnHubError):
        resolve("hf://some-one/model")
    assert len(hub.requests) == 1
