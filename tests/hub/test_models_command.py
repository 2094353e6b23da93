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
    UsageError,
)
from stemsplit.hub.catalog import DEFAULT_MODELS, CatalogEntry, load_catalog, load_purposes
from stemsplit.hub.choose import PERMISSIVE
from stemsplit.hub.purposes import purposes_of
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


def here() -> dict[str, str]:
    """What `models list` says in a pipe of each model: whether it is on this machine."""
    header, *rows = lines(models("list"))
    return {row[0]: row[header.index("here")] for row in rows}


def on_terminal(monkeypatch: pytest.MonkeyPatch, *arguments: str, width: int = 80) -> list[str]:
    """The lines that a terminal shows, notes included, without their colours."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich then takes any stream for a terminal
    monkeypatch.setenv("COLUMNS", str(width))
    shown = re.sub(r"\x1b\[[0-9;]*m", "", models(*arguments).output).splitlines()
    assert max(map(len, shown)) <= width
    return shown


def test_what_no_program_can_fetch_is_said(hub: Hub) -> None:
    by_hand = [name for name, entry in load_catalog().items() if entry.by_hand]
    assert "fullsubnet_plus" in by_hand
    listed = here()
    for name in by_hand:
        shown = " ".join(models("show", name).stdout.split())
        assert "fetch it by hand and give its path as the model" in shown
        assert listed[name] == "no"
        with pytest.raises(ModelError, match=rf"{name} cannot be fetched by a program: it is on"):
            resolve(name)
    assert hub.requests == []


def test_list_says_what_is_here(hub_with_model: Hub) -> None:
    assert here()["spectral"] == "built in"
    assert here()["htdemucs"] == "no"
    assert hub_with_model.requests == []
    resolve("htdemucs").members[0].fetch()
    assert here()["htdemucs"] == "partly"
    assert models("pull", "htdemucs", "-q").exit_code == 0
    assert here()["htdemucs"] == "yes"


def test_no_command_lists(hub: Hub) -> None:
    assert models().stdout == models("list").stdout
    assert hub.requests == []


def test_list_as_json(hub: Hub) -> None:
    entries = {entry["name"]: entry for entry in json.loads(models("list", "--json").stdout)}
    assert entries["htdemucs"]["downloaded"] == "no"
    assert entries["htdemucs"]["licence"] == "restricted"
    assert entries["mdx_extra"]["trained_on_test_set"] is True
    assert entries["melband_karaoke"]["purposes"] == ["karaoke"]
    assert entries["htdemucs_6s"]["purposes"][0] == "stems"
    assert list(entries) == list(load_catalog())
    assert hub.requests == []


@pytest.mark.parametrize("measured", [False, True])
def test_a_terminal_has_the_best_of_each_purpose_on_one_page(
    measured: bool, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMSPLIT_CACHE", str(tmp_path))
    if measured:
        store([MEASUREMENT])
    shown = on_terminal(monkeypatch, "list")
    assert len(shown) < 24  # and a line for the next command
    table = shown[: next(place for place, line in enumerate(shown) if line.startswith("Usual"))]
    words = [line.split()[0] for line in table if line[0] != " "]
    purposes = [purpose.name for purpose in load_purposes()]
    assert words == ["for", *(name for name in purposes if name in words)]
    assert {"stems", "vocals", "karaoke", "drumsep", "dereverb", "denoise", "guitar"} < set(words)
    names = {line[10:].split()[0] for line in table[1:]}
    assert {"scnet_xl", "melband_kim", "melband_karaoke", "htdemucs_6s"} < names
    assert {default for default, *_ in DEFAULT_MODELS.values()} < names
    assert not any(load_catalog()[name].unverified for name in names)
    more = len(load_catalog()) - len(names)
    assert f"{more} more: `models list --all`, or --for one of stems, vocals" in " ".join(shown)
    assert not any("Left out" in line for line in shown)
    assert hub.requests == []


def test_all_are_listed_by_their_purposes(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STEMSPLIT_CACHE", str(tmp_path))
    store([MEASUREMENT])
    shown = on_terminal(monkeypatch, "list", "--all", width=100)
    catalog = load_catalog()
    found = [word for line in shown for word in line.split()[:2] if word in catalog]
    assert sorted(found) == sorted(catalog)
    assert found == [row[0] for row in lines_in_pipe(monkeypatch)]
    assert any("4.7 x" in line and "htdemucs " in line for line in shown)
    assert any(line.split()[:2] == ["S", "MVSep"] for line in shown)
    assert hub.requests == []


def lines_in_pipe(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[list[str]]:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    return lines(models("list", *arguments))[1:]


@pytest.mark.parametrize("purpose", [purpose.name for purpose in load_purposes()])
def test_models_are_found_by_what_they_are_for(
    purpose: str, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them in a pipe and as JSON; as many as there is room for on a terminal."""
    header, *rows = lines(models("list", "--for", purpose))
    found = [row[0] for row in rows]
    entries = json.loads(models("list", "--for", purpose, "--json").stdout)
    assert [entry["name"] for entry in entries] == found
    expected = {name for name, e in load_catalog().items() if purpose in words_for(e)}
    assert set(found) == expected
    assert all(purpose in row[header.index("for")].split(", ") for row in rows)
    shown = on_terminal(monkeypatch, "list", "--for", purpose.upper())
    assert len(shown) < 24
    assert shown[1].split()[0] == found[0]
    assert any("add --all" in line for line in shown) == (len(found) > 15)
    whole = on_terminal(monkeypatch, "list", "--for", purpose, "--all")
    assert expected <= {line.split()[0] for line in whole}
    assert hub.requests == []


def words_for(entry: CatalogEntry) -> list[str]:
    return [purpose.name for purpose in purposes_of(entry)]


def test_the_help_names_purposes_that_there_are() -> None:
    said = " ".join(models("list", "--help").output.split())
    named = said.partition("Only models for ")[2].partition(" or another")[0].split(", ")
    assert set(named) < {purpose.name for purpose in load_purposes()}


def test_an_unknown_purpose_is_a_mistake_that_names_those_there_are(hub: Hub) -> None:
    with pytest.raises(UsageError, match="No model is known to be for 'tuba'") as error:
        models("list", "--for", "tuba")
    assert "stems, vocals, karaoke, drumsep, dereverb" in str(error.value.hint)
    assert error.value.exit_code == 2
    assert hub.requests == []


def test_on_a_very_narrow_terminal_each_model_is_a_paragraph(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = on_terminal(monkeypatch, "list", width=34)
    rows = shown[: next(i for i, line in enumerate(shown) if line.startswith("Usual 4"))]
    assert rows[:2] == ["stems", "scnet_xl_ihf"]
    assert rows.count("stems") == rows.count("vocals") == 1
    assert hub.requests == []


def test_list_of_the_permissive(hub: Hub) -> None:
    rows = lines(models("list", "--licence", "permissive"))[1:]
    permissive = [name for name, e in load_catalog().items() if e.licence in PERMISSIVE]
    assert sorted(row[0] for row in rows) == sorted(permissive)
    assert rows[0][0] == "scnet_large_mit"
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
    assert "5.91 dB for all stems after a multichannel" in models("show", "spleeter_4stems").stdout
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
