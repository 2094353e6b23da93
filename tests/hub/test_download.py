"""The Hub, its cache and everything that can go wrong between them."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from stemsplit.errors import CheckpointError, HubUnreachableError, ModelError, NotOnHubError
from stemsplit.hub.resolve import resolve
from stemsplit.stages import Stage
from tests.hub.loopback import Hub
from tests.hub.resolving import resolve_in_subprocess

BAG = b"models: [one, two]\nweights: [[1, 0, 0, 0], [0, 1, 1, 1]]\nsegment: 44\n"
FILES = {"htdemucs.yaml": BAG, "one.safetensors": bytes(range(256)) * 64, "two.safetensors": b"2"}
REPO = "adefossez/HTDemucs"


def blobs(hub: Hub) -> list[str]:
    return sorted(file.name for file in hub.home.rglob("blobs/*"))


def test_only_what_is_fetched_is_downloaded(hub: Hub) -> None:
    commit = hub.add(REPO, FILES)
    source = resolve("htdemucs")
    assert source.revision == commit
    assert source.origin == f"{REPO}@{commit}"
    assert source.weights == ((1, 0, 0, 0), (0, 1, 1, 1))
    assert source.segment_seconds == 44
    assert source.stems == ("drums", "bass", "other", "vocals")
    assert hub.requested_files() == ["htdemucs.yaml"]
    assert source.members[1].fetch().read_bytes() == b"2"
    assert hub.requested_files() == ["htdemucs.yaml", "two.safetensors"]


def test_who_listens_hears_of_every_block_and_nothing_is_printed(
    hub: Hub, capfd: pytest.CaptureFixture[str]
) -> None:
    hub.add(REPO, {**FILES, "one.safetensors": bytes(3_000_000)})
    heard: list[Stage] = []
    source = resolve("htdemucs", on_stage=heard.append)
    source.members[0].fetch()
    assert {stage.kind for stage in heard} == {"fetching"}
    names = list(dict.fromkeys(stage.name for stage in heard))
    assert names == ["HTDemucs/htdemucs.yaml", "HTDemucs/one.safetensors"]
    shares = [stage.share for stage in heard if stage.name.endswith("one.safetensors")]
    assert len(shares) > 2
    assert shares[0] == 0
    assert shares[-1] == 1
    assert shares == sorted(shares)
    source.members[0].fetch()  # it is here
    assert len(shares) == sum(stage.name.endswith("one.safetensors") for stage in heard)
    assert capfd.readouterr() == ("", "")


def test_a_cached_model_needs_no_request(hub: Hub) -> None:
    hub.add(REPO, FILES)
    first = resolve("htdemucs")
    paths = [member.fetch() for member in first.members]
    hub.forget_requests()
    for offline in (False, True):
        again = resolve("htdemucs", offline=offline)
        assert [member.fetch() for member in again.members] == paths
        assert again.revision == first.revision
    assert hub.requests == []


def test_the_cache_is_one_that_huggingface_hub_reads(hub: Hub) -> None:
    from huggingface_hub import hf_hub_download, scan_cache_dir

    hub.add(REPO, FILES)
    path = resolve("htdemucs").members[0].fetch()
    assert hf_hub_download(REPO, "one.safetensors", local_files_only=True) == str(path)
    assert not scan_cache_dir(hub.home / "hub").warnings


def test_a_file_that_huggingface_hub_cached_is_used(hub: Hub) -> None:
    from huggingface_hub import hf_hub_download

    hub.add(REPO, FILES)
    for name in FILES:
        hf_hub_download(REPO, name)
    hub.forget_requests()
    assert resolve("htdemucs").members[0].fetch().read_bytes() == FILES["one.safetensors"]
    assert hub.requests == []


def test_a_newer_commit_is_used_after_a_refresh_only(hub: Hub) -> None:
    old = hub.add(REPO, FILES)
    assert resolve("htdemucs").revision == old
    new = hub.add(REPO, {**FILES, "two.safetensors": b"new"})
    assert resolve("htdemucs").revision == old
    refreshed = resolve("htdemucs", refresh=True)
    assert refreshed.revision == new
    assert refreshed.members[1].fetch().read_bytes() == b"new"
    assert resolve("htdemucs", offline=True).revision == new


def test_a_broken_transfer_is_continued_by_the_next_run(hub: Hub) -> None:
    hub.add(REPO, FILES)
    member = resolve("htdemucs").members[0]
    hub.break_after_bytes, hub.stays_broken = 5000, True
    with pytest.raises(HubUnreachableError, match=r"answered 503|Cannot fetch one"):
        member.fetch()
    assert [name for name in blobs(hub) if len(name) == 64] == []
    hub.refuse_downloads = False
    hub.forget_requests()
    assert member.fetch().read_bytes() == FILES["one.safetensors"]
    (request,) = [request for request in hub.requests if request.method == "GET"]
    assert request.range is not None
    assert int(request.range.removeprefix("bytes=").rstrip("-")) >= 1024


def test_a_corrupt_download_is_refused_and_forgotten(hub: Hub) -> None:
    hub.add(REPO, FILES)
    member = resolve("htdemucs").members[0]
    hub.corrupt = True
    before = blobs(hub)
    with pytest.raises(CheckpointError, match="not what the Hub promises"):
        member.fetch()
    assert blobs(hub) == before
    assert hub.requested_files().count("one.safetensors") == 2
    hub.corrupt = False
    assert member.fetch().read_bytes() == FILES["one.safetensors"]


def test_a_corrupt_yaml_is_refused(hub: Hub) -> None:
    hub.add(REPO, FILES)
    hub.corrupt = True
    with pytest.raises(CheckpointError, match=r"htdemucs\.yaml .* not what the Hub promises"):
        resolve("htdemucs")


def test_a_cached_file_that_was_damaged_is_downloaded_again(hub: Hub) -> None:
    hub.add(REPO, FILES)
    path = resolve("htdemucs").members[0].fetch()
    path.resolve().write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="in the cache is damaged"):
        resolve("htdemucs", offline=True).members[0].fetch()
    assert resolve("htdemucs").members[0].fetch().read_bytes() == path.read_bytes()
    assert path.read_bytes() == FILES["one.safetensors"]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_names_the_token(hub: Hub, status: int) -> None:
    hub.add(REPO, FILES)
    hub.refuse_status = status
    with pytest.raises(ModelError, match=rf"refuses .*{status}.*HF_TOKEN"):
        resolve("htdemucs")
    with pytest.raises(ModelError, match=rf"refuses .*{status}.*HF_TOKEN"):
        resolve(f"hf://{REPO}")


def test_what_is_not_on_the_hub_is_said_to_be_missing(hub: Hub) -> None:
    with pytest.raises(NotOnHubError, match=r"no htdemucs\.yaml of adefossez/HTDemucs@main"):
        resolve("htdemucs")
    with pytest.raises(NotOnHubError, match="no nobody/nothing@main on the Hub"):
        resolve("hf://nobody/nothing")
    hub.add(REPO, {"htdemucs.yaml": BAG})
    with pytest.raises(NotOnHubError, match="no adefossez/HTDemucs@v9 on the Hub"):
        resolve(f"hf://{REPO}@v9")
    with pytest.raises(NotOnHubError, match=r"no one\.safetensors"):
        resolve("htdemucs").members[0].fetch()


def test_a_failing_hub_is_not_a_missing_model(hub: Hub) -> None:
    hub.refuse_status = 503
    with pytest.raises(HubUnreachableError, match="answered 503"):
        resolve("htdemucs")


def test_offline_without_a_cache_makes_no_request(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPO, FILES)
    for reference in ("htdemucs", f"hf://{REPO}"):
        with pytest.raises(HubUnreachableError, match=r"stays offline.*models pull"):
            resolve(reference, offline=True)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        with pytest.raises(HubUnreachableError, match=r"stays offline.*spectral"):
            resolve(reference)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    assert hub.requests == []


def test_a_closed_port_is_an_unreachable_hub(hub: Hub) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
    result = resolve_in_subprocess({**hub.env(), "HF_ENDPOINT": endpoint})
    assert "Cannot fetch htdemucs.yaml" in result
    assert endpoint in result


@pytest.mark.slow
def test_a_hub_that_never_answers_is_noticed(hub: Hub) -> None:
    hub.hang.set()
    assert "Cannot fetch htdemucs.yaml" in resolve_in_subprocess(hub.env())


def test_resolving_imports_neither_torch_nor_huggingface_hub() -> None:
    code = (
        "import sys, stemsplit.hub.resolve, stemsplit.hub.catalog\n"
        "print(sorted({'torch', 'huggingface_hub'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
