"""The table of systems says what the registry and the catalogue say."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from stemsplit.hub.catalog import load_catalog
from stemsplit.models.registry import BUILT_IN, FAMILIES
from tests.models.systems_table import (
    FOLDER,
    SYSTEMS,
    as_the_catalogue_has_it,
    model_of,
    table_rows,
)

ROWS = list(table_rows())


def test_every_family_is_there() -> None:
    text = SYSTEMS.read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w.]+)`", text))
    linked = set(re.findall(r"\[(\w+)\]\(\1\)", text))
    assert {*FAMILIES, *BUILT_IN} - named == set()
    assert {entry.family for entry in load_catalog().values()} - named - linked == set()
    assert linked == {path.parent.name for path in FOLDER.glob("*/model.py")}


def test_the_guide_leads_to_it() -> None:
    assert f"]({SYSTEMS.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("row", ROWS, ids=[row["System"] for row in ROWS])
def test_a_row_says_what_the_catalogue_says(row: Mapping[str, str]) -> None:
    assert model_of(row) in load_catalog()
    assert row == as_the_catalogue_has_it(row), "python -m tests.models.systems_table mends it"


def test_each_protocol_is_explained() -> None:
    explained = set(re.findall(r"\*\*\[(\w)\]\*\*", SYSTEMS.read_text(encoding="utf-8")))
    used = {letter for row in ROWS for letter in re.findall(r"\[(\w)\]", row["Published"])}
    assert used == explained
