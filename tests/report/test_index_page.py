"""The index in a real browser: its headings sort."""

from __future__ import annotations

from pathlib import Path

from stemsplit.report.index import IndexRow, render_index
from stemsplit.report.publish import write_page
from tests.audio.songs import tone
from tests.report.browser import Browser
from tests.report.tracks import read_track, write_track


def test_every_heading_sorts_both_ways(browser: Browser, tmp_path: Path) -> None:
    lengths = {"Ä first": 9000, "b 10": 44_100, "b 9": 20_000}
    residuals = {"Ä first": -20.0, "b 10": -120.5, "b 9": None}
    rows = [IndexRow.failed(Path("zzz.mp3"), "no audio")]
    for number, (title, num_samples) in enumerate(lengths.items()):
        file = write_track(
            tmp_path / "m" / str(number),
            {"drums": tone(num_samples)},
            input={"path": f"{title}.mp3"},
            residual_db=residuals[title],
        )
        rows.append(IndexRow.of(read_track(file), file))
    write_page(tmp_path / "index.html", render_index(rows, tmp_path))
    browser.open(tmp_path / "index.html")

    def sorted_by(column: int) -> list[str]:
        browser.click(f"thead th:nth-child({column}) button")
        return browser.run("return [...body.rows].map((row) => row.querySelector('bdi').innerText)")

    assert sorted_by(1) == ["Ä first", "b 9", "b 10", "zzz.mp3"]
    assert sorted_by(1) == ["zzz.mp3", "b 10", "b 9", "Ä first"]
    # What has no value comes last, either way round.
    assert sorted_by(4) == ["Ä first", "b 9", "b 10", "zzz.mp3"]
    assert sorted_by(4) == ["b 10", "b 9", "Ä first", "zzz.mp3"]
    assert sorted_by(6)[:2] == ["b 10", "Ä first"]
    assert sorted_by(6)[:2] == ["Ä first", "b 10"]
    headings = "return [...document.querySelectorAll('th')].map((th) => th.ariaSort)"
    assert browser.run(headings) == [None] * 5 + ["descending", None]
    assert browser.console() == []
