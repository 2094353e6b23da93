"""The table of ratios to other implementations is printed, with figures or with what is missing."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import torch

from tests.bench import against_references
from tests.bench.pairs import SUBJECTS
from tests.references import reference_module


@pytest.fixture(autouse=True)
def as_many_threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def table(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[list[str]]:
    against_references.main(["--runs=1", "--threads=1", *arguments])
    lines = capsys.readouterr().out.splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]


@pytest.mark.slow
def test_a_row_has_both_speeds_their_ratio_and_the_difference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reference_module("openunmix")
    header, row = table(capsys, "umxhq")
    assert row[0] == "umxhq, openunmix==1.3.0"
    ours, theirs, ratio = map(float, row[1:4])
    assert ours / theirs == pytest.approx(ratio, rel=0.05)
    level = re.fullmatch(r"(\d+) dB", row[header.index("apart")])
    assert level is not None
    assert int(level[1]) > 100


def test_a_missing_package_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ModuleNotFoundError("No module named 'msst'", name="msst")

    subject = against_references.Subject("msst==0.1.0", missing)  # type: ignore[arg-type]
    monkeypatch.setattr(against_references, "SUBJECTS", {"scnet": subject})
    _, row = table(capsys)
    assert row == ["scnet, msst==0.1.0", "needs msst==0.1.0 (msst)"]


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        table(capsys, "htdemux")
    assert "known are htdemucs," in capsys.readouterr().err
    assert "scnet" in SUBJECTS
