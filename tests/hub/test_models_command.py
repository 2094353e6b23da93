"""`stemsplit models`, against a Hub of our own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from stemsplit.cli.bench_results import Measurement, store
from stemsplit.cli.models import app
from stemsplit.errors import (
    CheckpointError,
    HubUnreachableError,
    ModelError,
    UnknownModelError,
)
from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.resolve import resolve
from tests.hub.loopback import Hub

FILES = {
    "htdemucs.yaml": b"models: [one, two]",
    "one.safetensors": b"1" * 100,
    "two.safetensors": b"2" * 100,
}

MEASUREMENT = Measurement(
    model="htdemucs",
    device="cpu",
    device_name="a CPU",
    precision="fp32",
    num_threads=2,
    torch_version="2",
    stemsplit_version="1",
    date="2026-01-01T00:00:00Z",
    realtime_factor=4.71,
    num_passes=3,
    music_seconds=20.0,
    import_seconds=1.0,
    load_seconds=1.0,
    first_chunk_seconds=1.0,
    peak_bytes=None,
    device_peak_bytes=None,
)


@pytest.fixture
def hub_with_model(hub: Hub) -> Hub:
    hub.add("adefossez/HTDemucs", FILES)
    return hub


def models(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def lines(result: Result) -> list[list[str]]:
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_what_no_program_can_fetch_is_said(hub: Hub) -> None:
    by_hand = [name for name, entry in load_catalog().items() if entry.by_hand]
    assert "fullsubnet_plus" in by_hand
    here = {row[0]: row[-1] for row in lines(models("list"))[1:]}
    for name in by_hand:
        shown = " ".join(models("show", name).stdout.split())
        assert "fetch it by hand and give its path as the model" in shown
        assert here[name] == "no"
        with pytest.raises(ModelError, match=rf"{name} cannot be fetched by a program: it is on"):
            resolve(name)
    assert hub.requests == []


def test_list_says_what_is_here(hub_with_model: Hub) -> None:
    def downloaded() -> dict[str, str]:
        return {row[0]: row[-1] for row in lines(models("list"))[1:]}

    assert downloaded()["spectral"] == "built in"
    assert downloaded()["htdemucs"] == "no"
    assert hub_with_model.requests == []
    resolve("htdemucs").members[0].fetch()
    assert downloaded()["htdemucs"] == "partly"
    assert models("pull", "htdemucs", "-q").exit_code == 0
    assert downloaded()["htdemucs"] == "yes"


def test_no_command_lists(hub: Hub) -> None:
    assert models().stdout == models("list").stdout
    assert hub.requests == []


def test_list_as_json(hub: Hub) -> None:
    entries = {entry["name"]: entry for entry in json.loads(models("list", "--json").stdout)}
    assert entries["htdemucs"]["downloaded"] == "no"
    assert entries["htdemucs"]["licence"] == "restricted"
    assert entries["mdx_extra"]["trained_on_test_set"] is True
    assert hub.requests == []


@pytest.mark.parametrize("measured", [False, True])
def test_on_a_narrow_terminal_stems_alone_make_room(
    measured: bool, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMSPLIT_CACHE", str(tmp_path))
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any stream for a terminal
    monkeypatch.setenv("COLUMNS", "80")
    if measured:
        store([MEASUREMENT])
    table = re.sub(r"\x1b\[[0-9;]*m", "", models("list").stdout).splitlines()
    assert max(map(len, table)) <= 80
    rows = [line.split() for line in table if not line.startswith(" ")][1:]
    assert (len(rows) < len(table) - 1) == measured  # else no row needs a second line
    for entry, row in zip(load_catalog().values(), rows, strict=True):
        assert row[0] == entry.name
        assert entry.licence.partition("-")[0] in row
        assert row[-1] in ("no", "in")  # "built in"
    assert ("4.7" in rows[0]) == measured
    assert hub.requests == []


def test_list_of_the_permissive(hub: Hub) -> None:
    rows = lines(models("list", "--licence", "permissive"))[1:]
    spleeter = [name for name in load_catalog() if name.startswith("spleeter")]
    others = ["scnet", "scnet_large_mit", "umxhq"]
    built_in = ["logmmse", "spectral_backing", "spectral"]
    speech = ["deepfilternet3", "nsnet2_48k", "nsnet2"]
    assert [row[0] for row in rows] == [*others, *speech, *spleeter, *built_in]
    entries = json.loads(models("list", "--licence", "permissive", "--json").stdout)
    assert {entry["licence"] for entry in entries} == {"permissive-confirmed", "stated-permissive"}
    assert len(entries) == len(rows)
    assert hub.requests == []


def test_show_says_everything(hub: Hub) -> None:
    text = models("show", "htdemucs").stdout
    assert "restricted" in text
    assert "scientific purposes" in text
    assert "all 8.80, drums 10.05" in text
    assert "median over 1 s frames" in text
    assert "test set: scores on that set mean nothing" in models("show", "mdx_extra").stdout
    assert json.loads(models("show", "htdemucs", "--json").stdout)["name"] == "htdemucs"
    with pytest.raises(UnknownModelError, match="Did you mean htdemucs"):
        models("show", "htdemuks")
    assert hub.requests == []


def test_show_knows_short_names(hub: Hub) -> None:
    text = models("show", "karaoke").stdout
    assert text == models("show", "melband_karaoke").stdout
    assert "melband_karaoke or karaoke" in text
    assert "lead (vocals), backing (instrumental)" in text
    assert "stems of a stem" not in models("show", "htdemucs").stdout
    shown = json.loads(models("show", "drumsep", "--json").stdout)
    assert shown["name"] == "mdx23c_drumsep"
    assert shown["child_names"]["hh"] == "hihat"
    with pytest.raises(UnknownModelError, match="Did you mean karaoke"):
        models("show", "karoke")
    assert hub.requests == []


def test_pull_brings_all_files(hub_with_model: Hub) -> None:
    result = models("pull", "htdemucs")
    assert "2 files verified" in result.stdout
    assert "Licence of the weights: restricted" in result.stderr
    hub_with_model.forget_requests()
    assert models("pull", "--offline", "htdemucs").exit_code == 0
    assert hub_with_model.requests == []
    with pytest.raises(HubUnreachableError, match="stays offline"):
        models("pull", "--offline", "mdx")


@pytest.mark.usefixtures("hub_with_model")
def test_verify_finds_damage() -> None:
    nothing = models("verify")
    assert (nothing.stdout, nothing.stderr) == ("", "No model was downloaded so far.\n")
    models("pull", "htdemucs", "-q")
    ok = [["ok", "htdemucs", "one.safetensors"], ["ok", "htdemucs", "two.safetensors"]]
    assert lines(models("verify")) == ok
    first, second = (member.fetch() for member in resolve("htdemucs").members)
    first.resolve().write_bytes(b"damaged")
    second.unlink()
    for arguments, found in (
        (["verify"], "1 file is"),
        (["verify", "htdemucs"], "2 files are"),
    ):
        runner_result = CliRunner().invoke(app, arguments)
        assert isinstance(runner_result.exception, CheckpointError)
        assert f"{found} damaged or missing" in str(runner_result.exception)
        assert [row[0] for row in lines(runner_result)] == ["damaged", "missing"]
    models("pull", "htdemucs", "-q")
    assert lines(models("verify")) == ok


def test_path_prints_files(hub_with_model: Hub) -> None:
    with pytest.raises(HubUnreachableError):
        models("path", "htdemucs")
    models("pull", "htdemucs", "-q")
    paths = [str(member.fetch()) for member in resolve("htdemucs").members]
    assert models("path", "htdemucs").stdout.splitlines() == paths
    assert "built in" in models("path", "spectral").stderr
    assert hub_with_model.requests
