"""The rule that chooses a model, on small catalogues and on the real one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.errors import UnknownModelError, UnknownStemError
from stemsplit.hub.catalog import CatalogEntry, Licence, PublishedScore, load_catalog
from stemsplit.hub.choose import PERMISSIVE, Quality, Requirements, choose, cost

FOUR = ("drums", "bass", "other", "vocals")
CATALOG = load_catalog()


def score(
    value: float, stem: str | None = "vocals", dataset: str = "hidden songs", rank: int = 0
) -> PublishedScore:
    return PublishedScore(
        metric="SDR",
        value=value,
        stem=stem,
        dataset=dataset,
        protocol="mean",
        source="somebody",
        short="s",
        rank=rank,
    )


def entry(
    name: str, *scores: PublishedScore, operations: float | None = 50, **fields: Any
) -> CatalogEntry:
    known = replace(
        CATALOG["scnet"],
        name=name,
        giga_operations=operations,
        scores=scores,
        size_bytes=1_000_000,
        licence="unknown",
    )
    return replace(known, **fields)


def chosen(*entries: CatalogEntry, quality: Quality = "best", **wanted: Any) -> str:
    defaults: dict[str, Any] = {"stems": ("vocals",), "device": "cpu"}
    return choose(Requirements(quality=quality, **(defaults | wanted)), entries).model


def test_the_highest_figure_wins_and_the_cheaper_of_equals() -> None:
    assert chosen(entry("a", score(8)), entry("b", score(9))) == "b"
    assert chosen(entry("a", score(9)), entry("b", score(9), operations=40)) == "b"
    assert chosen(entry("a", score(9)), entry("b", score(9))) == "a"


def test_figures_of_different_measurements_are_never_compared() -> None:
    """What comes first in the catalogue decides, and a higher figure elsewhere does not count."""
    common = [entry("a", score(8)), entry("b", score(9))]
    other = entry("c", score(12, dataset="easy songs", rank=1))
    assert chosen(*common, other) == "b"
    both = entry("d", score(7), score(12, dataset="easy songs", rank=1))
    assert chosen(*common, other, both) == "b"
    old = [entry(name, score(11, dataset="easy songs", rank=1)) for name in "efgh"]
    assert chosen(*common, *old) == "b"  # however many there are
    assert chosen(*old, entry("i", score(12, "drums"))) == "e"


def test_figures_count_for_the_wanted_stems_only() -> None:
    a = entry("a", score(9), score(5, "drums"))
    b = entry("b", score(8), score(7, "drums"))
    only_vocals = entry("c", score(20))
    for_all = entry("d", score(20, None))
    assert chosen(a, b) == "a"
    assert chosen(a, b, only_vocals, for_all, stems=("vocals", "drums")) == "b"


def test_a_figure_on_songs_that_a_model_has_heard_is_none() -> None:
    heard = entry("a", score(12, dataset="MUSDB18-HQ test"), trained_on_test_set=True)
    unheard = entry("b", score(8, dataset="MUSDB18-HQ test"))
    assert chosen(heard, unheard) == "b"


def test_without_figures_the_order_of_the_catalogue_decides() -> None:
    assert chosen(entry("a", operations=90), entry("b", operations=10)) == "a"


def test_a_cpu_is_spared_what_takes_much_longer_than_the_song() -> None:
    entries = [
        entry("light", score(8), operations=60),
        entry("middle", score(9), operations=250),
        entry("heavy", score(10), operations=1200),
        entry("heaviest", score(11), operations=5000),
        entry("unknown", score(12), operations=None),
    ]
    assert chosen(*entries, quality="fast") == "light"
    assert chosen(*entries, quality="balanced") == "middle"
    assert chosen(*entries, quality="best") == "unknown"
    assert chosen(*entries, quality="fast", device="cuda") == "heavy"
    assert chosen(*entries, quality="balanced", device="mps") == "heaviest"
    assert chosen(*entries[2:], quality="fast") == "heavy"  # the least evil
    only = entries[2:4]
    reason = choose(Requirements(quality="fast", stems=("vocals",), device="cpu"), only).reason
    assert "cheapest model for vocals, though its 1200 Gop" in reason


def test_one_stem_of_a_model_with_a_network_for_each_costs_its_share() -> None:
    each = entry("each", score(9), operations=200, one_network_per_stem=True)
    assert cost(each, ("vocals",)) == 50
    assert cost(each, FOUR) == 200
    assert chosen(each, entry("one", score(8)), quality="fast") == "each"
    scores = [score(9, stem) for stem in FOUR]
    one = entry("one", *[score(8, stem) for stem in FOUR])
    assert chosen(replace(each, scores=tuple(scores)), one, quality="fast", stems=FOUR) == "one"


def test_what_does_not_fit_into_memory_is_not_chosen() -> None:
    small, large = entry("small", score(8)), entry("large", score(9), size_bytes=2 << 30)
    assert chosen(small, large) == "large"
    assert chosen(small, large, memory_bytes=6 << 30) == "small"
    assert chosen(small, large, memory_bytes=8 << 30) == "large"
    with pytest.raises(UnknownModelError, match=r"fits into 2\.0 GiB"):
        chosen(large, memory_bytes=2 << 30)


@pytest.mark.parametrize("label", get_args(Licence))
def test_permissive_is_by_the_label(label: Licence) -> None:
    labelled, free = entry("a", score(9), licence=label), CATALOG["scnet"]
    expected = "a" if "permissive" in label else "scnet"
    assert chosen(labelled, free, permissive=True, stems=("vocals",)) == expected
    if "permissive" not in label:
        with pytest.raises(UnknownModelError, match=r"No model for vocals has a permissive .* a\."):
            chosen(labelled, permissive=True)


def test_only_models_that_can_be_had_and_are_for_songs_are_chosen() -> None:
    usual = entry("usual", score(1))
    for fields in (
        {"unverified": True},
        {"repo_id": None, "by_hand": "a page"},
        {"repo_id": None},
        {"child_names": {"vocals": "lead"}},
        {"stems": ("drums",)},
    ):
        assert chosen(entry("other", score(9), **fields), usual) == "usual"
    with pytest.raises(UnknownStemError, match="No model to choose from has all of the stems tuba"):
        chosen(usual, stems=("tuba",))


def test_other_is_what_is_left_of_the_usual_four() -> None:
    """That of a network for vocals is everything else, drums and bass included."""
    voice = entry("voice", score(9, "other"), stems=("vocals", "other"))
    assert chosen(voice, entry("four", score(5, "other")), stems=("other",)) == "four"


def test_offline_what_is_here_comes_first() -> None:
    a, b = entry("a", score(8)), entry("b", score(9))
    assert chosen(a, b, here=["a"]) == "a"
    assert chosen(a, b, here=[]) == "b"  # which is then not to be had
    wanted = Requirements(quality="best", stems=("vocals",), device="cpu", here=["a", "c"])
    assert "only model on this machine for vocals" in choose(wanted, [a, b]).reason


@given(
    quality=st.sampled_from(get_args(Quality)),
    stems=st.sets(st.sampled_from(FOUR), min_size=1).map(tuple),
    device=st.sampled_from(["cpu", "cuda", "mps"]),
    memory_bytes=st.none() | st.integers(4 << 30, 1 << 40),
    permissive=st.booleans(),
)
def test_the_catalogue_has_a_model_for_every_wish(**wanted: Any) -> None:
    choice = choose(Requirements(**wanted), CATALOG.values())
    found = CATALOG[choice.model]
    assert set(wanted["stems"]) <= set(found.stems)
    assert not wanted["permissive"] or found.licence in PERMISSIVE
    assert choice.reason.startswith(f"{found.name} was chosen ({wanted['quality']}): ")
    assert "\n" not in choice.reason
    if wanted["quality"] == "fast" and wanted["device"] == "cpu" and not wanted["permissive"]:
        assert cost(found, wanted["stems"]) <= 60


def test_what_the_catalogue_comes_to() -> None:
    """Not law, but a change here should be meant."""

    def pick(quality: Quality, device: str, *stems: str, permissive: bool = False) -> str:
        wanted = Requirements(quality=quality, stems=stems, device=device, permissive=permissive)
        return choose(wanted, CATALOG.values()).model

    assert pick("fast", "cpu", *FOUR) == "htdemucs"
    assert pick("fast", "cpu", "vocals") == "htdemucs_ft"
    assert pick("balanced", "cpu", *FOUR) == "htdemucs_ft"
    assert pick("balanced", "cpu", *FOUR, permissive=True) == "scnet"
    assert pick("best", "cpu", "vocals") == "melband_kim"
    assert pick("fast", "cuda", "vocals") == "melband_kim"
    assert pick("best", "cuda", *FOUR) == "scnet_xl_ihf"
    assert pick("best", "cuda", *FOUR, permissive=True) == "scnet_large_mit"
    assert pick("balanced", "cpu", "guitar") == "htdemucs_6s"
    assert pick("balanced", "cpu", "instrumental") == "uvr_kim_vocal_2"


def test_rows_with_a_network_for_each_stem_say_so() -> None:
    for found in CATALOG.values():
        if found.by_hand is not None:  # nobody has listed its files
            continue
        separate = bool(found.networks) and all(network.stems for network in found.networks)
        assert found.one_network_per_stem == (separate or found.name == "htdemucs_ft")
        assert not found.one_network_per_stem or re.search("1 per stem", found.cost)
