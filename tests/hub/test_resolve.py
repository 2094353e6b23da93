"""Which reference means which model, and what a bag may say."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from stemsplit.checkpoints.bag_file import parse_bag
from stemsplit.errors import CheckpointError, HubUnreachableError, UnknownModelError, UsageError
from stemsplit.hub.folders import bag_named_as
from stemsplit.hub.resolve import resolve
from tests.hub.loopback import Hub
from tests.models import random_models


def test_the_built_in_model_has_no_files() -> None:
    source = resolve("spectral", offline=True)
    assert source.members == ()
    assert source.stems == ("drums", "bass", "other", "vocals")
    assert source.entry is not None
    assert source.entry.licence == "permissive-confirmed"


@pytest.mark.parametrize("reference", ["", " ", "-m", "--model"])
def test_what_looks_like_an_option_is_not_a_model(reference: str) -> None:
    with pytest.raises(UsageError, match="is not the name of a model"):
        resolve(reference)


def test_a_misspelt_name_gets_suggestions() -> None:
    with pytest.raises(UnknownModelError, match=r"'htdemuks'.*Did you mean htdemucs.*models list"):
        resolve("htdemuks")
    with pytest.raises(UnknownModelError, match="Did you mean htdemucs_ft"):
        resolve("HTDemucs-ft")
    with pytest.raises(UnknownModelError, match=r"no file or folder nowhere/model\.th"):
        resolve("nowhere/model.th")
    with pytest.raises(UnknownModelError):
        resolve("x" * 5000)


@pytest.mark.parametrize(
    "reference",
    [
        "hf://", "hf://owner", "hf://owner/", "hf:///repo", "hf://owner/repo/file", "hf://a b/c",
        "hf://../repo", "hf://owner/..", "hf://owner/repo@", "hf://owner/repo@../x",
        "hf://owner/repo@a/../b", "hf://owner/repo@/etc", "hf://owner/re\\po", "hf://owner/repo\n",
    ],
)  # fmt: skip
def test_references_to_the_hub_are_validated(reference: str) -> None:
    with pytest.raises(UsageError, match="hf://owner/repository"):
        resolve(reference, offline=True)


def test_a_local_bag(tmp_path: Path) -> None:
    models = [random_models.htdemucs(seed) for seed in (0, 1)]
    folder = tmp_path / "sänger nr 1"
    folder.mkdir()
    bag = random_models.write_bag(folder, "mine", models, weights=[[1, 0], [0, 1]], segment=5)
    for reference, name in ((bag, "mine"), (folder, "sänger nr 1")):
        source = resolve(str(reference))
        assert (source.name, source.entry, source.revision) == (name, None, None)
        assert source.weights == ((1, 0), (0, 1))
        assert (source.stems, source.segment_seconds) == (None, 5)
        signatures = [random_models.signature(model) for model in models]
        assert [member.signature for member in source.members] == signatures
        content = source.members[0].fetch().read_bytes()
        assert source.members[0].sha256 == hashlib.sha256(content).hexdigest()


def test_a_single_file_is_a_model(tmp_path: Path) -> None:
    file = random_models.write_th(random_models.htdemucs(), tmp_path / "songs,v2.th")
    source = resolve(str(file))
    assert source.members[0].signature == "songs,v2"
    assert source.members[0].fetch() == file
    assert source.weights is None
    assert resolve(str(tmp_path)).members[0].fetch() == file


def test_a_legacy_file_that_is_not_what_its_name_promises_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "955717e8-8726e21a.th"
    file.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"damaged.*promises 8726e21a"):
        resolve(str(file)).members[0].fetch()


def test_folders_that_hold_no_one_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"does not hold one model.*found: none"):
        resolve(str(tmp_path))
    for name in ("a.th", "b.th"):
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match=r"found: a\.th, b\.th\)\. Name the file"):
        resolve(str(tmp_path))
    bag = tmp_path / "bag.yaml"
    bag.write_text("models: [c]")
    with pytest.raises(CheckpointError, match="the network c, but"):
        resolve(str(bag))
    for name in ("c.th", "c-12345678.th"):
        (tmp_path / name).touch()
    with pytest.raises(CheckpointError, match="several files for c"):
        resolve(str(bag))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no `models` list"),
        ("models", "no `models` list"),
        ("models: []", "must list 1 to 64"),
        ("models: ['../../etc/passwd']", "'../../etc/passwd' is not a signature"),
        ("models: ['a/b']", "'a/b' is not a signature"),
        (r"models: ['a\b']", "is not a signature"),
        ("models: ['']", "is not a signature"),
        ("models: [[a]]", "is not a signature"),
        ("models: [a]\nwebhook: x", "no bag has: webhook"),
        ("models: [a]\nweights: [[1], [1]]", "one row for each"),
        ("models: [a, b]\nweights: [[1, 1], [1]]", "one length"),
        ("models: [a]\nweights: [[]]", "one length"),
        ("models: [a]\nweights: [[-1]]", "negative"),
        ("models: [a]\nweights: [[.nan]]", "not a finite number"),
        ("models: [a]\nweights: [[inf]]", "not a finite number"),
        ("models: [a, b]\nweights: [[1, 0], [1, 0]]", "no model has a weight for stem 2"),
        ("models: [a]\nsegment: 0", "at least 0.1 seconds, got 0"),
        ("models: [a]\nsegment: 1e-9", "at least 0.1 seconds, got 1e-09"),
        ("models: [a]\nsegment: [1]", "not a finite number"),
        ("models: {", "not a readable yaml"),
        ("[" * 20_000, "not a readable yaml"),
        ("models: [" + "a, " * 40_000 + "]", "too large"),
    ],
)
def test_bags_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        parse_bag(text.encode(), "bag.yaml")


def test_tags_in_a_bag_construct_nothing() -> None:
    with pytest.raises(CheckpointError, match=r"has the tag .*, which stands for no plain value"):
        parse_bag(b"models: !!python/object/apply:os.getenv [HOME]", "bag.yaml")


def test_the_smallest_bag() -> None:
    bag = parse_bag(b"models: [04573012]\nweights: null", "bag.yaml")
    assert bag.signatures == ("04573012",)
    assert (bag.weights, bag.segment_seconds) == (None, None)


def test_repositories_are_named_as_demucs_names_them() -> None:
    files = ["a.yaml", "extra.yaml", "htdemucs.yaml", "htdemucs_ft.yaml", "mdx_extra.yaml"]
    names = {
        "HTDemucs": "htdemucs.yaml",
        "HTDemucs-ft": "htdemucs_ft.yaml",
        "Demucs-mdx_extra": "mdx_extra.yaml",
        "other": None,
    }
    assert {name: bag_named_as(name, files) for name in names} == names


def test_a_bag_on_the_hub(hub: Hub) -> None:
    old = hub.add("me/Demucs-x", {"x.yaml": b"models: [a]", "y.yaml": b"?", "a.safetensors": b"1"})
    hub.add("me/Demucs-x", {"x.yaml": b"models: [b]", "b-6b86b273.th": b"1", "README.md": b""})
    newest = resolve("hf://me/Demucs-x")
    assert newest.name == "Demucs-x"
    assert newest.members[0].fetch().name == "b-6b86b273.th"
    pinned = resolve(f"hf://me/Demucs-x@{old}")
    assert pinned.revision == old
    assert pinned.members[0].fetch().read_bytes() == b"1"
    hub.forget_requests()
    for reference in ("hf://me/Demucs-x", f"hf://me/Demucs-x@{old}"):
        resolve(reference).members[0].fetch()
        resolve(reference, offline=True).members[0].fetch()
    assert hub.requests == []


def test_a_single_network_on_the_hub(hub: Hub) -> None:
    commit = hub.add("me/solo", {"net.safetensors": b"1", "../evil.yaml": b"", "a/b.yaml": b""})
    source = resolve("hf://me/solo")
    assert source.revision == commit
    assert source.members[0].fetch().read_bytes() == b"1"
    assert resolve("hf://me/solo", offline=True).members[0].fetch().read_bytes() == b"1"
    hub.refuse_status = 503  # without the Hub, what is in the cache has to do
    assert resolve("hf://me/solo").members[0].fetch().read_bytes() == b"1"


def test_repositories_that_hold_no_one_model_are_refused(hub: Hub) -> None:
    hub.add("me/two", {"a.yaml": b"", "b.yaml": b""})
    with pytest.raises(CheckpointError, match=r"found: a\.yaml, b\.yaml"):
        resolve("hf://me/two")
    hub.add("me/none", {"README.md": b""})
    with pytest.raises(CheckpointError, match="found: none"):
        resolve("hf://me/none")
    with pytest.raises(HubUnreachableError, match="stays offline"):
        resolve("hf://me/none", offline=True)


def test_a_bag_for_other_stems_than_the_catalogue_says_is_refused(hub: Hub) -> None:
    hub.add("adefossez/HTDemucs", {"htdemucs.yaml": b"models: [a]\nweights: [[1, 1]]"})
    with pytest.raises(CheckpointError, match="2 stems instead of 4"):
        resolve("htdemucs")
