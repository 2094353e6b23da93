"""The catalogue says what it knows, and refuses what it does not understand."""

from __future__ import annotations

import math
import re
from typing import get_args

import pytest

from stemsplit.hub.catalog import (
    CatalogEntry,
    Licence,
    find_entry,
    list_models,
    load_catalog,
    parse_catalog,
    suggest_names,
)
from stemsplit.hub.purposes import best_first, by_purpose, figure, purpose_named, purposes_of
from stemsplit.hub.web_files import WebFile

SPLEETER = tuple(name for name in list_models() if name.startswith("spleeter"))

HEAD = """
[[protocols]]
id = "p"
metric = "SDR"
dataset = "d"
protocol = "how"
source = "where"
[[licences]]
id = "l"
label = "{label}"
note = "n"
[models.m]
description = "m"
family = "f"
stems = ["a", "b"]
cost = "1"
licence = "l"
trained_on_test_set = false
{rest}
"""


def test_the_default_comes_first_and_what_is_built_in_last() -> None:
    names = list_models()
    assert names[0] == "htdemucs"
    assert names[-1] == "spectral"


def test_weights_with_a_disputed_licence_are_not_called_permissive() -> None:
    catalog = load_catalog()
    for entry in catalog.values():
        if entry.family in ("htdemucs", "hdemucs", "demucs"):
            assert entry.licence == "restricted"
            assert "scientific purposes" in entry.licence_note
    permissive = {n for n, entry in catalog.items() if "permissive" in entry.licence}
    assert permissive == {
        "scnet",
        "scnet_large_mit",
        "umxhq",
        "deepfilternet3",
        "nsnet2",
        "nsnet2_48k",
        *SPLEETER,
        "logmmse",
        "spectral_backing",
        "spectral",
    }


def test_what_was_seen_of_a_file_is_pinned() -> None:
    """A row that is said to be verified names its revision, or the sha256 of its weights.

    Of those that end in a checksum, the name has its beginning. Of a few, others say where they
    are, several of them and independently, but not their digest.
    """
    found = {"mdx23c_drumsep", "mdx23c_dereverb", "scnet_large", "scnet_xl", "melband_4stems"}
    found |= {"bs_resurrection_i", "bs_revive", "bs_dereverb", "bs_duet"}
    found |= {"bs_karaoke", "bs_karaoke_anvuew"}
    for entry in load_catalog().values():
        for network in entry.networks:
            pinned = entry.revision != "main" or all(
                file.sha256 or re.search(r"-[0-9a-f]{8,}\.p?th$", file.file)
                for file in network.weights
            )
            assert pinned or entry.unverified or entry.name in found


def test_models_of_doubtful_origin_are_not_listed() -> None:
    for entry in load_catalog().values():
        assert "SW" not in entry.description.split()
        assert "BS-ROFO-SW" not in str(entry)


def test_only_mdx_extra_has_heard_the_test_set() -> None:
    assert [e.name for e in load_catalog().values() if e.trained_on_test_set] == ["mdx_extra"]
    assert load_catalog()["melband_kim"].trained_on_test_set is None  # nobody has said


def test_the_mean_of_the_stems_is_the_figure_for_all() -> None:
    """Both published tables average over stems; a mistyped figure would stand out."""
    for entry in load_catalog().values():
        for protocol in {score.protocol for score in entry.scores}:
            values = {s.stem: s.value for s in entry.scores if s.protocol == protocol}
            overall = values.pop(None, None)
            if overall is not None and values:
                # rounded to 0.01 dB, each of them
                assert sum(values.values()) / len(values) == pytest.approx(overall, abs=0.011)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("karaoke", "melband_karaoke"),
        ("drumsep", "mdx23c_drumsep"),
        ("dereverb", "melband_dereverb"),
        ("denoise", "melband_denoise"),
    ],
)
def test_a_model_has_a_short_name_for_what_it_does(alias: str, name: str) -> None:
    catalog = load_catalog()
    entry = find_entry(alias, catalog)
    assert entry is not None
    assert entry is find_entry(name, catalog)
    assert entry.name == name
    assert alias in suggest_names(alias[:-1])
    assert find_entry(alias.upper(), catalog) is None  # that may be a folder
    assert entry.child_names.keys() == set(entry.stems)


def test_the_stems_of_a_stem_have_names_of_their_own() -> None:
    catalog = load_catalog()
    karaoke = catalog["melband_karaoke"].child_names
    assert karaoke == {"vocals": "lead", "instrumental": "backing"}
    assert catalog["melband_dereverb"].child_names["noreverb"] == "dry"
    assert catalog["mdx23c_drumsep"].child_names["hh"] == "hihat"
    assert catalog["htdemucs"].child_names == {}


def test_purposes_follow_from_the_stems() -> None:
    catalog = load_catalog()
    for name, words in {
        "htdemucs": "stems vocals drums bass",
        "htdemucs_6s": "stems vocals drums bass guitar piano",
        "melband_kim": "vocals",
        "melband_karaoke": "karaoke",  # its vocals are the lead
        "mdx23c_drumsep": "drumsep",
        "melband_dereverb": "dereverb",
        "melband_denoise": "denoise",
        "deepfilternet3": "speech denoise",
        "speakers3": "speakers speech",
        "spectral_backing": "drums bass",
    }.items():
        assert [purpose.name for purpose in purposes_of(catalog[name])] == words.split()


def test_every_model_is_listed_once() -> None:
    catalog = load_catalog()
    names = [
        entry.name for entries in by_purpose([*catalog.values()]).values() for entry in entries
    ]
    assert sorted(names) == sorted(catalog)


def test_the_best_come_first() -> None:
    """Within a protocol by the figure; those in an earlier protocol of the catalogue before."""
    catalog = load_catalog()
    stems = purpose_named("Stems")
    first = best_first([catalog[name] for name in ("scnet", "umx", "scnet_xl", "htdemucs")], stems)
    assert [entry.name for entry in first] == ["scnet_xl", "htdemucs", "scnet", "umx"]
    rest = [catalog[name] for name in ("fullsubnet_plus", "nsnet2", "melband_denoise")]
    rest = best_first([*rest, catalog["deepfilternet3"]], purpose_named("denoise"))
    ordered = ["deepfilternet3", "melband_denoise", "nsnet2", "fullsubnet_plus"]
    assert [entry.name for entry in rest] == ordered  # none has a figure
    assert figure(catalog["htdemucs_ft"], stems) == (9.33, "S", 0)  # the mean of its stems
    assert figure(catalog["htdemucs"], purpose_named("vocals")) == (8.24, "S", 0)
    assert figure(catalog["mdx_extra"], stems) is None  # it has heard the test songs


def test_the_classics_have_the_figures_of_their_papers() -> None:
    catalog, stems = load_catalog(), purpose_named("stems")
    for name, value in {
        "umx": 5.33,
        "conv_tasnet": 5.73,
        "conv_tasnet_extra": 6.32,
        "demucs_v2": 6.28,
        "demucs_v2_extra": 6.79,
        "mdx": 7.68,
    }.items():
        found = figure(catalog[name], stems)
        assert found is not None
        assert found[:2] == (pytest.approx(value, abs=0.006), "m")
    for name, value in {"spleeter_4stems": "5.91", "kuielab_mdxnet_a": "7.47"}.items():
        assert value in catalog[name].score_note  # that of more than these networks
        assert not any(f"{score.value:.2f}" == value for score in catalog[name].scores)


def test_one_letter_stands_for_one_way_to_measure() -> None:
    measured: dict[str, set[tuple[str, str]]] = {}
    for score in (score for entry in load_catalog().values() for score in entry.scores):
        measured.setdefault(score.short, set()).add((score.metric, score.protocol))
    assert all(len(ways) == 1 for ways in measured.values())


def test_names_and_aliases_are_there_once() -> None:
    names = [name for entry in load_catalog().values() for name in (entry.name, *entry.aliases)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("entry", load_catalog().values(), ids=lambda entry: entry.name)
def test_a_row_makes_sense(entry: CatalogEntry) -> None:
    assert entry.stems
    assert purposes_of(entry), "by its stems or `child_names` it is for none of [[purposes]]"
    assert len(set(entry.stems)) == len(entry.stems)
    assert entry.licence in get_args(Licence)
    for score in entry.scores:
        assert score.stem is None or score.stem in entry.stems
        assert math.isfinite(score.value)
    if entry.child_names:
        assert entry.child_names.keys() == set(entry.stems)
        assert len(set(entry.child_names.values())) == len(entry.stems)
        assert all(re.fullmatch("[a-z]+", child) for child in entry.child_names.values())
    sources = (entry.repo_id, entry.distribution, entry.address, entry.by_hand, entry.parts)
    assert sum(map(bool, sources)) == (entry.family not in ("spectral", "logmmse"))
    for network in entry.networks:
        assert set(network.stems or ()) <= set(entry.stems)
        for file in (*network.weights, *([network.config] if network.config else [])):
            assert re.fullmatch(r"(?:[\w+-][\w.+-]*/)*[\w+-][\w.+-]*", file.file, re.ASCII)
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
            if entry.address is not None:
                assert WebFile(entry.address, file.file, file.sha256).url.startswith("https://")


@pytest.mark.parametrize(
    "rest", ["colour = 1", "[[models.m.networks]]\nweights.url = 'x'", "[models.m.scores.q]\na = 1"]
)
def test_what_the_catalogue_does_not_know_is_an_error(rest: str) -> None:
    with pytest.raises((TypeError, KeyError)):
        parse_catalog(HEAD.format(label="unknown", rest=rest))


def test_a_score_without_a_stem_is_for_all() -> None:
    text = HEAD.format(label="unknown", rest="[models.m.scores.p]\nall = 1\na = 2.5")
    scores = parse_catalog(text)["m"].scores
    assert [(score.stem, score.value) for score in scores] == [(None, 1.0), ("a", 2.5)]
