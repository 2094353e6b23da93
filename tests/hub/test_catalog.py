"""The catalogue says what it knows, and refuses what it does not understand."""

from __future__ import annotations

import pytest

from stemsplit.hub.catalog import list_models, load_catalog, parse_catalog

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


def test_names_and_order() -> None:
    names = [
        "htdemucs",
        "htdemucs_ft",
        "htdemucs_6s",
        "hdemucs_mmi",
        "mdx",
        "mdx_extra",
        "spectral",
    ]
    assert list_models() == names


def test_weights_with_a_disputed_licence_are_restricted() -> None:
    for entry in load_catalog().values():
        if entry.family != "spectral":
            assert entry.licence == "restricted"
            assert "scientific purposes" in entry.licence_note


def test_only_mdx_extra_has_heard_the_test_set() -> None:
    assert [e.name for e in load_catalog().values() if e.trained_on_test_set] == ["mdx_extra"]


def test_the_mean_of_the_stems_is_the_figure_for_all() -> None:
    """Both published tables average over stems; a mistyped figure would stand out."""
    for entry in load_catalog().values():
        for dataset in {score.dataset for score in entry.scores}:
            values = {s.stem: s.value for s in entry.scores if s.dataset == dataset}
            overall = values.pop(None, None)
            if overall is not None:
                # rounded to 0.01 dB, each of them
                assert sum(values.values()) / len(values) == pytest.approx(overall, abs=0.011)


@pytest.mark.parametrize(
    ("label", "rest", "message"),
    [
        ("unknown", "colour = 1", r"m: unknown keys \['colour'\]"),
        ("free", "", "unknown label 'free'"),
        ("unknown", "[models.m.scores.p]\nc = 1.0", "score for 'c'"),
        ("unknown", "[models.m.scores.p]\na = nan", "is nan"),
        ("unknown", "[other]", "unknown keys"),
    ],
)
def test_mistakes_in_the_catalogue_are_errors(label: str, rest: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_catalog(HEAD.format(label=label, rest=rest))


def test_a_score_without_a_stem_is_for_all() -> None:
    text = HEAD.format(label="unknown", rest="[models.m.scores.p]\nall = 1\na = 2.5")
    scores = parse_catalog(text)["m"].scores
    assert [(score.stem, score.value) for score in scores] == [(None, 1.0), ("a", 2.5)]
