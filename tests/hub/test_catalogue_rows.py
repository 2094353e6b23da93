"""Every model that has a name: published in its own layout, fetched, verified and run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from stemsplit import Separator
from stemsplit.cli.models import app
from stemsplit.errors import CheckpointError
from stemsplit.hub import resolve as resolve_module
from stemsplit.hub.catalog import CatalogEntry, load_catalog
from stemsplit.models.family import NetworkArguments
from stemsplit.models.registry import FAMILIES
from tests.hub.loopback import Hub
from tests.hub.published_layouts import publish
from tests.models.parity import noise

pytestmark = pytest.mark.slow

ROWS = [name for name, entry in load_catalog().items() if entry.repo_id or entry.address]
SAMPLE_RATE = 44100
SECONDS = 3

Publish = Callable[[str], CatalogEntry]


@pytest.fixture
def published(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Puts a row's model on the loopback Hub, and has the catalogue say so."""
    catalog = dict(load_catalog())
    monkeypatch.setattr(resolve_module, "load_catalog", lambda: catalog)

    def put(name: str) -> CatalogEntry:
        folder = tmp_path / "made"
        folder.mkdir()
        catalog[name] = publish(catalog[name], hub, folder)
        return catalog[name]

    return put


def models(*arguments: str) -> list[list[str]]:
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return [line.split("\t") for line in result.stdout.splitlines()]


@pytest.mark.parametrize("name", ROWS)
def test_a_model_is_fetched_verified_and_splits_a_song(
    name: str, published: Publish, hub: Hub
) -> None:
    entry = published(name)
    if entry.networks:
        known = entry.address is not None or entry.revision != "main"
        assert models("path", name) == [] if known else True
    models("pull", name, "-q")
    states = models("verify", name)
    assert {state for state, *_ in states} == {"ok"}
    wanted = [file for network in entry.networks for file in network.weights]
    assert {file.file for file in wanted} <= {file_name for *_, file_name in states}

    hub.refuse_status = 503  # all that is needed is here now
    separator = Separator(name, device="cpu")
    mixture = 0.1 * noise(2, SECONDS * SAMPLE_RATE).numpy()
    separation = separator.separate(mixture, sample_rate=SAMPLE_RATE)
    assert set(separation.stems) == set(entry.stems)
    for stem in separation.stems.values():
        assert stem.shape == mixture.shape
        assert np.isfinite(stem).all()
        assert np.abs(stem).max() > 1e-6
    assert separator.model.name == name
    assert separator.model.bags[0].licence == entry.licence
    assert separator.model.bags[0].revision == (
        entry.revision if entry.revision != "main" else separator.model.bags[0].revision
    )


def test_a_model_is_chosen_by_its_licence(published: Publish) -> None:
    published("scnet")
    separator = Separator(licence="permissive", device="cpu")
    assert separator.model.name == "scnet"
    assert separator.model.bags[0].licence == "permissive-confirmed"


def test_a_short_name_runs_the_model(published: Publish) -> None:
    entry = published("melband_karaoke")
    separator = Separator("karaoke", device="cpu")
    assert separator.model.name == entry.name
    assert set(separator.model.stems) == set(entry.child_names)


def test_one_stem_of_several_networks_needs_one_network(published: Publish, hub: Hub) -> None:
    entry = published("kuielab_mdxnet_a")
    mixture = noise(2, SAMPLE_RATE).numpy()
    alone = Separator(entry.name, stems=["drums"], device="cpu")
    assert [member.signature for member in alone.model.members] == ["drums"]
    assert hub.requested_files() == ["models/MDXNet/kuielab_a_drums.onnx"]
    drums = alone.separate(mixture, sample_rate=SAMPLE_RATE).stems["drums"]
    together = Separator(entry.name, device="cpu").separate(mixture, sample_rate=SAMPLE_RATE)
    np.testing.assert_array_equal(together.stems["drums"], drums)


def test_a_file_that_is_not_the_catalogue_s_is_refused(
    published: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = published("melband_kim")
    (network,) = entry.networks
    other = replace(network.weights[0], sha256="0" * 64)
    changed = replace(entry, networks=(replace(network, weights=(other,)),))
    monkeypatch.setattr(resolve_module, "load_catalog", lambda: {entry.name: changed})
    with pytest.raises(CheckpointError, match=r"not what the catalogue of stemsplit promises"):
        Separator(entry.name, device="cpu")


def test_a_network_with_other_stems_than_the_catalogue_says_is_refused(
    published: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = published("kuielab_mdxnet_b")
    bass, drums, *others = entry.networks
    swapped = (replace(bass, weights=drums.weights, settings=drums.settings), drums, *others)
    changed = replace(entry, networks=swapped)
    monkeypatch.setattr(resolve_module, "load_catalog", lambda: {entry.name: changed})
    with pytest.raises(CheckpointError, match=r"should have the stems bass, but has drums"):
        Separator(entry.name, device="cpu")


@pytest.mark.parametrize(
    ("name", "num_values"),
    [
        ("melband_kim", 228_203_172),
        ("scnet", 10_578_768),
        ("scnet_large_mit", 42_181_232),
        ("scnet_large", 42_181_232),
        ("scnet_xl_masked", 53_485_316),
        ("bs_hyperace", 72_042_812),
        ("dns48", 18_867_937),
        ("dns64", 33_533_569),
        ("master64", 33_533_569),
    ],
)
def test_settings_in_the_catalogue_give_the_published_size(name: str, num_values: int) -> None:
    entry = load_catalog()[name]
    (network,) = entry.networks
    names = ("pos_embed_f",) if "masked" in name else ()
    names = (".segm.",) if "hyperace" in name else names
    with torch.device("meta"):
        model = FAMILIES[entry.family].build(NetworkArguments((), network.settings or {}, names))
    assert sum(tensor.numel() for tensor in model.state_dict().values()) == num_values
