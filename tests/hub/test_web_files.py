"""Files at an https address; the server is on this machine, where plain http may be used too."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants
from typer.testing import CliRunner, Result

from stemsplit.cli.models import app
from stemsplit.errors import CheckpointError, HubUnreachableError, ModelError, NotOnHubError
from stemsplit.hub import resolve as resolve_module
from stemsplit.hub import transfer
from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.transfer import Connection
from stemsplit.hub.web_files import WebFile, cached_web_file, fetch_web_file
from tests.hub.loopback import Hub, Reply, Request

CONTENT = bytes(range(256)) * 64
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "some/weights.th"
ONLINE, OFFLINE = Connection(), Connection(offline=True)


@pytest.fixture
def file(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> WebFile:
    monkeypatch.setattr(transfer, "_PAUSE_SECONDS", 0)
    hub.web_files[NAME] = CONTENT
    return WebFile(hub.web_address, NAME, SHA256)


def files(hub: Hub) -> list[Path]:
    """What is in the cache, apart from locks."""
    found = (path for path in hub.home.rglob("*") if path.is_file())
    return [path for path in found if path.suffix != ".lock"]


def leads_to(target: str) -> Callable[[Request], Reply | None]:
    """Answers the first address with a redirect."""
    reply = Reply(status=302, headers={"Location": target, "Content-Length": "0"})
    return lambda asked: reply if asked.path.endswith(NAME) else None


def test_a_file_is_downloaded_once_and_verified(hub: Hub, file: WebFile) -> None:
    assert cached_web_file(file) is None
    verified = fetch_web_file(file, ONLINE)
    assert verified.sha256 == SHA256
    assert verified.path.read_bytes() == CONTENT
    assert verified.path == cached_web_file(file)
    assert verified.path == hub.home / "assets" / "stemsplit" / SHA256 / "weights.th"
    assert files(hub) == [verified.path]
    hub.forget_requests()
    assert fetch_web_file(file, ONLINE) == fetch_web_file(file, OFFLINE) == verified
    assert hub.requests == []


def test_the_token_for_the_hub_is_for_the_hub(
    hub: Hub, file: WebFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    fetch_web_file(file, ONLINE)
    assert [request.method for request in hub.requests] == ["HEAD", "GET"]
    assert [request.token for request in hub.requests] == [None, None]
    hub.add("someone/model", {"model.yaml": b"models: [one]\n"})
    resolve_module.resolve("hf://someone/model")
    assert hub.requests[-1].token == "Bearer hf_secret"


@pytest.mark.parametrize("num_digits", [8, 16, 64])
def test_the_end_of_a_name_promises_the_content(hub: Hub, num_digits: int) -> None:
    good, wrong = f"net-{SHA256[:num_digits]}.th", f"net-{'0' * num_digits}.th"
    hub.web_files |= {good: CONTENT, wrong: CONTENT}
    assert fetch_web_file(WebFile(hub.web_address, good), ONLINE).sha256 == SHA256
    with pytest.raises(CheckpointError, match=f"its name promises.*{SHA256[:16]}…, promised 0000"):
        fetch_web_file(WebFile(hub.web_address, wrong), ONLINE)


@pytest.mark.parametrize(
    ("address", "name", "sha256"),
    [
        ("http://example.org/a", "a-00112233.th", None),
        ("ftp://127.0.0.1/a", "a-00112233.th", None),
        ("file:///etc", "a-00112233.th", None),
        ("https://", "a-00112233.th", None),
        ("https://example.org", "a.th", None),
        ("https://example.org", "a-0011223.th", None),
        ("https://example.org", "a/..", SHA256),
        ("https://example.org", ".hidden", SHA256),
        ("https://example.org", "a\\b.th", SHA256),
    ],
)
def test_what_is_no_safe_address_is_none(address: str, name: str, sha256: str | None) -> None:
    with pytest.raises(ValueError, match=r"no https address|no name for a file|not known"):
        WebFile(address, name, sha256)


def test_another_content_is_refused_with_both_digests(hub: Hub, file: WebFile) -> None:
    hub.corrupt = True
    found = hashlib.sha256(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])).hexdigest()
    promise = f"catalogue.*sha256 {found[:16]}…, promised {SHA256[:16]}…"
    with pytest.raises(CheckpointError, match=promise) as error:
        fetch_web_file(file, ONLINE)
    assert "HF_ENDPOINT" not in str(error.value)
    assert files(hub) == []


def test_a_cached_file_that_was_damaged_is_downloaded_again(file: WebFile) -> None:
    path = fetch_web_file(file, ONLINE).path
    path.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="in the cache is damaged"):
        fetch_web_file(file, OFFLINE)
    assert fetch_web_file(file, ONLINE).path.read_bytes() == CONTENT


def test_a_cut_connection_is_continued(hub: Hub, file: WebFile) -> None:
    hub.break_after_bytes = 5000
    assert fetch_web_file(file, ONLINE).path.read_bytes() == CONTENT
    ranges = [request.range for request in hub.requests if request.method == "GET"]
    assert ranges[0] is None
    assert ranges[1] == "bytes=5000-"


def test_the_next_run_continues_too(hub: Hub, file: WebFile) -> None:
    hub.break_after_bytes, hub.stays_broken = 5000, True
    with pytest.raises(HubUnreachableError, match=r"127\.0\.0\.1:\d+ answered 503"):
        fetch_web_file(file, ONLINE)
    assert cached_web_file(file) is None
    assert [path.name for path in files(hub)] == ["weights.th.incomplete"]
    hub.refuse_downloads = False
    hub.forget_requests()
    assert fetch_web_file(file, ONLINE).path.read_bytes() == CONTENT
    assert [request.range for request in hub.requests] == [None, "bytes=5000-"]


def test_redirects_are_followed(hub: Hub, file: WebFile) -> None:
    hub.web_files["moved"] = hub.web_files.pop(NAME)
    hub.reply = leads_to("/web/moved")
    assert fetch_web_file(file, ONLINE).path.read_bytes() == CONTENT


@pytest.mark.parametrize("target", ["http://example.org/a", "file:///etc/passwd", "//[::", "ftp:a"])
def test_a_redirect_to_what_is_not_https_is_refused(hub: Hub, file: WebFile, target: str) -> None:
    hub.reply = leads_to(target)
    # Some versions of the library look at the address themselves.
    with pytest.raises(HubUnreachableError, match=r"which is no https address|Invalid.?URL"):
        fetch_web_file(file, ONLINE)
    assert len(hub.requests) == 1


def test_redirects_have_an_end(hub: Hub, file: WebFile) -> None:
    hub.reply = leads_to(f"/web/{NAME}")
    with pytest.raises(HubUnreachableError, match="leads in circles"):
        fetch_web_file(file, ONLINE)
    assert len(hub.requests) == 5


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (403, ModelError, "refuses .* \\(403\\)"),
        (503, HubUnreachableError, "answered 503"),
        (511, HubUnreachableError, "web page"),
    ],
)
def test_a_server_that_refuses_is_named(
    hub: Hub, file: WebFile, status: int, error: type[ModelError], words: str
) -> None:
    hub.refuse_status = status
    with pytest.raises(error, match=f"127.*{words}|{words}.*127") as raised:
        fetch_web_file(file, ONLINE)
    assert "the Hub" not in str(raised.value)


def test_a_file_that_is_gone_is_missing_and_no_login_page(hub: Hub, file: WebFile) -> None:
    hub.web_files.clear()
    with pytest.raises(NotOnHubError, match=r"no some/weights\.th of .* on 127\.0\.0\.1"):
        fetch_web_file(file, ONLINE)


def test_a_login_page_is_one(hub: Hub, file: WebFile) -> None:
    page = Reply(headers={"Content-Type": "text/html"}, body=[b"<html>"])
    hub.reply = lambda _: page
    with pytest.raises(HubUnreachableError, match="answered with a web page"):
        fetch_web_file(file, ONLINE)


def test_what_is_too_big_is_not_begun(
    hub: Hub, file: WebFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_WEIGHTS_BYTES", len(CONTENT) - 1)
    with pytest.raises(CheckpointError, match="more than such a file may have"):
        fetch_web_file(file, ONLINE)
    assert hub.requested_files() == []


def test_a_server_that_sends_without_end_is_stopped(
    hub: Hub, file: WebFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "MAX_UNANNOUNCED_BYTES", 1 << 20)
    hub.reply = lambda _: Reply(body=itertools.repeat(bytes(1 << 16)))
    with pytest.raises(CheckpointError, match="as much as it may have"):
        fetch_web_file(file, ONLINE)
    assert sum(path.stat().st_size for path in files(hub)) == 0


def test_offline_nothing_is_asked(hub: Hub, file: WebFile, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HubUnreachableError, match=r"stays offline.*models pull"):
        fetch_web_file(file, OFFLINE)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachableError, match="stays offline"):
        resolve_module.resolve("demucs48_hq").members[0].fetch()
    assert hub.requests == []


def models(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_commands_speak_of_it(file: WebFile, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = load_catalog()["demucs48_hq"]
    (network,) = entry.networks
    weights = replace(network.weights[0], file=NAME, sha256=file.sha256)
    entry = replace(entry, address=file.address, networks=(replace(network, weights=(weights,)),))
    monkeypatch.setattr(resolve_module, "load_catalog", lambda: {entry.name: entry})
    assert "https://dl.fbaipublicfiles.com/demucs/v3.0" in models("show", entry.name).stdout
    assert "1 of 1 file not downloaded" in models("path", entry.name).stderr
    assert isinstance(models("pull", "--offline", entry.name).exception, HubUnreachableError)
    assert models("verify", entry.name).stdout == f"missing\t{entry.name}\tweights.th\n"
    assert f"{entry.name}\t{file.address}\t1 file verified" in models("pull", entry.name).stdout
    assert models("path", entry.name).stdout == f"{cached_web_file(file)}\n"
    assert models("verify", entry.name).stdout == f"ok\t{entry.name}\tweights.th\n"
