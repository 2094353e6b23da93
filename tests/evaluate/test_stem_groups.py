from __future__ import annotations

import pytest

from stemsplit.evaluate.stem_groups import as_they_are, match_stems

MUSDB = ("drums", "bass", "other", "vocals")


@pytest.mark.parametrize(
    ("sources", "stems", "expected"),
    [
        (MUSDB, ("vocals", "drums", "bass", "other"), {name: (name,) for name in MUSDB}),
        (
            MUSDB,
            ("drums", "bass", "other", "vocals", "guitar", "piano"),
            {
                "drums": ("drums",),
                "bass": ("bass",),
                "other": ("other", "guitar", "piano"),
                "vocals": ("vocals",),
            },
        ),
        (
            MUSDB,
            ("vocals", "instrumental"),
            {"drums+bass+other": ("instrumental",), "vocals": ("vocals",)},
        ),
        (MUSDB, ("vocals",), {"drums": (), "bass": (), "other": (), "vocals": ("vocals",)}),
        (
            MUSDB,
            ("vocals", "guitar"),
            {"drums": (), "bass": (), "other": (), "vocals": ("vocals",)},
        ),
        (
            ("vocals", "accompaniment"),
            MUSDB,
            {"vocals": ("vocals",), "accompaniment": ("drums", "bass", "other")},
        ),
        (
            ("bass", "drums", "guitar", "keys", "vocals"),
            MUSDB,
            {
                "bass": ("bass",),
                "drums": ("drums",),
                "guitar+keys": ("other",),
                "vocals": ("vocals",),
            },
        ),
        (("drums", "bass"), MUSDB, {"drums": ("drums",), "bass": ("bass",)}),
        (("speech", "noise"), MUSDB, {"speech": (), "noise": ()}),
    ],
)
def test_stems_are_matched(
    sources: tuple[str, ...], stems: tuple[str, ...], expected: dict[str, tuple[str, ...]]
) -> None:
    groups = match_stems(sources, stems)
    assert {group.name: group.estimates for group in groups} == expected
    assert sorted(source for group in groups for source in group.sources) == sorted(sources)


def test_bounds_have_an_estimate_of_every_sum() -> None:
    groups = as_they_are([("vocals",), ("drums", "bass")])
    assert [(group.name, group.estimates) for group in groups] == [
        ("vocals", ("vocals",)),
        ("drums+bass", ("drums+bass",)),
    ]
