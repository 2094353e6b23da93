"""The page of a recording with speech says how good it was, and how good it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from stemsplit.evaluate.dnsmos import SpeechQuality
from stemsplit.report import speech_ratings
from stemsplit.report.build import PageResult, make_pages
from tests.audio.songs import write_sndfile
from tests.report.tracks import SAMPLE_RATE, clicks, read_track, write_track

CAPTION = "What listeners would say of the speech"


def rate(blocks: Iterable[Tensor], *, sample_rate: int, hop_seconds: int) -> SpeechQuality | None:
    """The peak in tenths and the duration in seconds, in place of opinions."""
    parts = list(blocks)
    peak = max(part.abs().max().item() for part in parts)
    seconds = sum(part.shape[-1] for part in parts) / sample_rate
    if not peak:
        return None
    return SpeechQuality(signal=seconds, background=hop_seconds, overall=10 * peak, p808=4.0)


@pytest.fixture
def rated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_ratings, "has_dnsmos", lambda: True)
    monkeypatch.setattr(speech_ratings, "dnsmos", rate)


def pages(tmp_path: Path, stem: str = "speech", *, models: Iterable[str] = ("m",)) -> str:
    original = write_sndfile(tmp_path / "talk.wav", clicks(0.5, gain=0.4))
    tracks = []
    for model in models:
        stems = {stem: clicks(0.5, gain=0.2), "noise": clicks(0.5, gain=0.1)}
        file = write_track(tmp_path / "out" / model / "talk", stems, original, gain_db=-6.0206)
        tracks.append(read_track(file))
    results: list[PageResult] = list(make_pages(tracks, embed=False))
    assert not any(result.error for result in results)
    return tracks[0].page_file.read_text(encoding="utf-8")


def cells(page: str) -> list[list[str]]:
    body = page.split(CAPTION)[-1].split("<tbody>")[1].split("</tbody>")[0]
    rows = body.replace("</th>", "</td>").split("</tr>")[:-1]
    return [[re.sub("<.*?>", "", cell).strip() for cell in row.split("</td>")[:-1]] for row in rows]


@pytest.mark.usefixtures("rated")
def test_before_and_after(tmp_path: Path) -> None:
    """The speech is as loud as it was before all stems were lowered by 6 dB."""
    assert cells(pages(tmp_path)) == [
        ["Original", "3.99", "0.50", "1.00", "4.00"],  # no click is sampled at its very peak
        ["speech", "3.99", "0.50", "1.00", "4.00"],
    ]


@pytest.mark.usefixtures("rated")
def test_several_models_side_by_side(tmp_path: Path) -> None:
    rows = cells(pages(tmp_path, models=["first", "second"]))
    assert [row[1] for row in rows][1:] == ["first", "second"]
    assert [row[0] for row in rows] == ["Original", "speech", "speech"]


@pytest.mark.usefixtures("rated")
def test_other_stems_are_not_rated(tmp_path: Path) -> None:
    assert CAPTION not in pages(tmp_path, "vocals")


def test_without_the_extra_there_is_no_table(tmp_path: Path) -> None:
    assert CAPTION not in pages(tmp_path)


def test_a_page_is_made_anew_once_speech_can_be_rated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages(tmp_path)
    track = read_track(tmp_path / "out" / "m" / "talk" / "stemsplit.json")
    for is_new in (True, False):
        monkeypatch.setattr(speech_ratings, "has_dnsmos", lambda: True)
        monkeypatch.setattr(speech_ratings, "dnsmos", rate)
        (result,) = make_pages([track], {track.file}, embed=False)
        assert result.is_new == is_new


@pytest.mark.usefixtures("rated")
def test_silence_and_long_recordings(tmp_path: Path) -> None:
    num_samples = 61 * SAMPLE_RATE
    stems = {"speech": np.zeros((1, num_samples), np.float32)}
    original = write_sndfile(tmp_path / "talk.wav", clicks(61.0))
    file = write_track(tmp_path / "out" / "m" / "talk", stems, original)
    (result,) = make_pages([read_track(file)], embed=False)
    assert result.error is None
    rows = cells(file.with_name("report.html").read_text(encoding="utf-8"))
    assert rows[0][3] == "6.00"  # seconds between two of at most a dozen windows
    assert rows[1][1:] == ["–"] * 4
