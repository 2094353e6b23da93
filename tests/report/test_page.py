"""Pages as text: what they hold, what they may do, and where they are put."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from stemsplit.errors import OutputExistsError
from stemsplit.hub.catalog import load_catalog
from stemsplit.report.build import make_pages
from stemsplit.report.index import IndexRow, render_index
from stemsplit.report.page import asset
from stemsplit.report.publish import is_page, write_page
from stemsplit.report.sounds import file_addresses
from tests.audio.songs import tone, write_pyav, write_sndfile
from tests.report.tracks import clicks, read_track, write_track

CHECKS = {
    "stems": {
        "drums": {"loudness_lufs": -20.25, "peak_dbfs": -3.0, "num_clipped": 1234, "silent": False},
        "vocals": {"loudness_lufs": None, "peak_dbfs": None, "num_clipped": 0, "silent": True},
    },
    "mixture": {"loudness_lufs": -12.0, "peak_dbfs": -0.1, "num_clipped": 0, "silent": False},
    "correlation": {"drums+vocals": -0.125, "bass+drums": None},
    "suspicions": ["The vocals are silent."],
}


class Text(HTMLParser):
    """The text of a page outside its style and script, and what it refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.links: list[str] = []
        self._inside = ""
        self.feed(page)
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        del tag
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside in ("script", "style"):
            self.scripts.append(data)
        else:
            self.words.append(data)


def make_page(tmp_path: Path, *, embed: bool = False, **changes: Any) -> str:
    stems = {"drums": clicks(0.5), "vocals": clicks(0.5)}
    original = write_sndfile(tmp_path / "song.wav", clicks(0.5))
    file = write_track(tmp_path / "out" / "htdemucs" / "song", stems, original, **changes)
    (result,) = make_pages([read_track(file)], embed=embed)
    assert result.error is None
    return file.with_name("report.html").read_text(encoding="utf-8")


def lanes_of(page: str) -> list[dict[str, Any]]:
    (data,) = re.findall(r'<script type="application/json" id="song">(.*?)</script>', page)
    lanes: list[dict[str, Any]] = json.loads(data)["lanes"]
    return lanes


def test_the_numbers_of_the_record_are_there(tmp_path: Path) -> None:
    model = {"name": "htdemucs", "origin": "somewhere", "revision": "c0ffee" * 7}
    model["licence"] = "restricted"
    page = make_page(tmp_path, checks=CHECKS, gain_db=-1.25, model=model, warnings=["Mind this."])
    text = Text(page).text
    for expected in (
        "−20.2 LUFS",
        "1,234",
        "silent",
        "drums and vocals −0.12",
        "−30.0 dB of the mixture",
        "−1.2 dB",
        "c0ffeec0ffee",
        "restricted",
        load_catalog()["htdemucs"].licence_note,
        "0.5 × real time",
        "This separation has probably failed The vocals are silent.",
        "Notes Mind this.",
    ):
        assert expected in text, expected


def test_a_record_without_checks_has_a_page(tmp_path: Path) -> None:
    page = make_page(tmp_path)
    assert "probably failed" not in page
    assert Text(page).text.count("–") >= 6  # the levels are not known


def test_files_are_referred_to_or_carried(tmp_path: Path) -> None:
    lanes = lanes_of(make_page(tmp_path))
    assert [lane["stem"] for lane in lanes] == [None, "drums", "vocals"]
    assert [lane["files"][0] for lane in lanes] == [
        "./../../../song.wav",
        "./drums.wav",
        "./vocals.wav",
    ]
    assert all(lane["audio"] is None for lane in lanes)
    page = make_page(tmp_path, embed=True)
    lanes = lanes_of(page)
    assert all(lane["files"] == [] for lane in lanes)
    assert all(b"ftyp" in base64.b64decode(lane["audio"])[:12] for lane in lanes)
    assert str(tmp_path) not in page  # it is made to be sent away


def test_what_no_browser_keeps_in_step_is_carried(tmp_path: Path) -> None:
    original = write_pyav(tmp_path / "song.mp3", tone(44_100), codec="libmp3lame")
    file = write_track(tmp_path / "m" / "song", {"drums": tone(44_100)}, original)
    (result,) = make_pages([read_track(file)], embed=False)
    assert result.notes == ()
    page = file.with_name("report.html").read_text(encoding="utf-8")
    first, second = lanes_of(page)
    assert first["audio"]
    assert second["files"]
    assert "for listening only: the original." in Text(page).text


def test_what_is_compared_is_equally_loud(tmp_path: Path) -> None:
    original = write_sndfile(tmp_path / "song.wav", clicks(0.5))
    files = [
        write_track(tmp_path / model / "song", {"drums": clicks(0.5)}, original, gain_db=gain)
        for model, gain in (("a", -2.0), ("b", 0.0), ("c", -0.5))
    ]
    assert not any(r.error for r in make_pages([read_track(file) for file in files], embed=False))
    lanes = lanes_of(files[0].with_name("report.html").read_text(encoding="utf-8"))
    assert [(lane["model"], lane["gainDb"]) for lane in lanes] == [
        (None, -2.0),
        ("a", 0.0),
        ("b", -2.0),
        ("c", -1.5),
    ]


def test_an_excerpt_is_played_at_its_place_in_the_original(tmp_path: Path) -> None:
    original = write_sndfile(tmp_path / "song.wav", clicks(3))
    fingerprint = json.loads(
        write_track(tmp_path / "m" / "song", {"drums": clicks(1)}, original).read_text()
    )["fingerprint"]
    fingerprint["options"] |= {"start_seconds": 1.5, "end_seconds": 2.5}
    file = write_track(
        tmp_path / "m" / "song", {"drums": clicks(1)}, original, fingerprint=fingerprint
    )
    (result,) = make_pages([read_track(file)], embed=False)
    assert result.error is None
    page = file.with_name("report.html").read_text(encoding="utf-8")
    assert [lane["offset"] for lane in lanes_of(page)] == [1.5, 0]
    assert "0:01.5 to 0:02.5 of the song" in Text(page).text


def test_an_original_that_is_not_the_one_is_never_read(tmp_path: Path) -> None:
    page = make_page(tmp_path, fingerprint={"input_sha256": "0" * 64})
    assert [lane["stem"] for lane in lanes_of(page)] == ["drums", "vocals"]
    assert "song.wav has changed since" in Text(page).text


def test_a_stem_that_is_gone_or_changed_is_said(tmp_path: Path) -> None:
    file = write_track(tmp_path / "m" / "song", {"drums": tone(9000), "bass": tone(9000)})
    file.with_name("drums.wav").unlink()
    write_sndfile(file.with_name("bass.wav"), tone(8000))
    (result,) = make_pages([read_track(file)], embed=False)
    assert result.error is None
    assert len(result.notes) == 3  # the original, too
    assert lanes_of(file.with_name("report.html").read_text(encoding="utf-8")) == []


def test_the_page_is_one_file_that_may_load_nothing(tmp_path: Path) -> None:
    page = make_page(tmp_path, embed=True)
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert set(rules) == {
        "default-src",
        "script-src",
        "style-src",
        "img-src",
        "media-src",
        "base-uri",
        "form-action",
    }
    for element, rule in (("script", "script-src"), ("style", "style-src")):
        (content,) = re.findall(rf"<{element}>(.*?)</{element}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[rule] == f"'sha256-{digest}'"
    assert Text(page).links == []
    addresses = set(re.findall(r"\w+://[^\"' ]*", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # the name of SVG, which nothing fetches


NASTY = "</script><!--<script>&\u2028\x1b]0;x\x07 \u202e"


def test_nasty_names_are_escaped(tmp_path: Path) -> None:
    model = {"name": NASTY, "origin": NASTY, "revision": NASTY, "licence": NASTY}
    checks = {"suspicions": [NASTY], "correlation": {NASTY: 1.0}, "stems": {NASTY: 3}}
    page = make_page(tmp_path, model=model, warnings=[NASTY], checks=checks, device=NASTY)
    plain = make_page(tmp_path)
    for tag in ("<script", "</script", "<!--", "<style", "\x1b", "\u2028"):
        assert page.count(tag) == plain.count(tag), tag


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("a b.wav", "./a%20b.wav"),
        ("100%#?.wav", "./100%25%23%3F.wav"),
        ("c:d.wav", "./c%3Ad.wav"),
        ("é.wav", "./%C3%A9.wav"),
        ('"<x>.wav', "./%22%3Cx%3E.wav"),
        ("\udcff.wav", "./%FF.wav"),
    ],
)
def test_any_file_name_becomes_an_address(tmp_path: Path, name: str, address: str) -> None:
    relative, absolute = file_addresses(tmp_path / name, tmp_path)
    assert relative == address
    assert absolute.startswith("file:///")


def test_a_page_replaces_only_its_like(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "report.html", tmp_path / "index.html"
    page = make_page(tmp_path)
    write_page(ours, page)
    write_page(ours, page + "\n")
    assert is_page(ours)
    assert ours.read_text(encoding="utf-8").endswith("\n\n")
    theirs.write_text("<!doctype html>\n<p>mine</p>")
    with pytest.raises(OutputExistsError, match=r"index\.html is there already, and is no page"):
        write_page(theirs, page)
    assert theirs.read_text() == "<!doctype html>\n<p>mine</p>"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "index.html",
        "report.html",
        "song.wav",
    ]


def test_a_page_that_is_in_the_way_fails_alone(tmp_path: Path) -> None:
    files = [write_track(tmp_path / name / "song", {"drums": tone(9000)}) for name in ("a", "b")]
    files[0].with_name("report.html").write_text("mine")
    results = list(make_pages([read_track(file) for file in files], embed=False))
    assert [result.error is None for result in results] == [False, True]
    assert files[0].with_name("report.html").read_text() == "mine"


def test_a_track_without_a_sample_has_its_numbers(tmp_path: Path) -> None:
    file = write_track(tmp_path / "m" / "song", {"drums": tone(0)})
    (result,) = make_pages([read_track(file)], embed=True)
    assert result.error is None
    assert lanes_of(file.with_name("report.html").read_text(encoding="utf-8")) == []


def test_the_index_has_trouble_on_top(tmp_path: Path) -> None:
    records = {
        name: read_track(write_track(tmp_path / "m" / name, {"drums": tone(900)}, **changes))
        for name, changes in (
            ("a", {}),
            ("b<b>", {"checks": CHECKS, "input": {"path": "b<b>.mp3"}}),
            ("c", {"input": {"path": "c.mp3"}}),
        )
    }
    rows = [
        IndexRow.of(records["a"], tmp_path / "m" / "a" / "report.html"),
        IndexRow.of(records["b<b>"], tmp_path / "m" / "b<b>" / "report.html"),
        IndexRow.of(records["c"], None, missing=["drums.wav is not here"]),
        IndexRow.failed(Path("z\n.mp3"), "No <audio>."),
    ]
    page = render_index(rows, tmp_path)
    states = re.findall(r'class="state (\w+)"', page)
    assert states == ["failed", "suspicious", "incomplete", "done"]
    parsed = Text(page)
    assert "4 tracks: 1 failed, 1 suspicious, 1 incomplete, 1 done" in parsed.text
    assert "The vocals are silent." in parsed.text
    assert "No <audio>." in parsed.text
    assert parsed.links == ["./m/b%3Cb%3E/report.html", "./m/a/report.html"]
    assert "<b>" not in page


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast_is_enough(theme: int) -> None:
    blocks = re.findall(r":root \{(.*?)\}", asset("page.css"), re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[theme]))
    for text, papers in {
        "text": ("paper", "panel", "lane", "bad-paper", "note-paper"),
        "soft": ("paper", "panel", "lane"),
        "on-accent": ("accent",),
        "accent": ("paper",),
        "bad": ("bad-paper",),
        "note": ("note-paper",),
    }.items():
        for paper in papers:
            assert contrast(colours[text], colours[paper]) >= 4.5, (text, paper)
    shapes = ["edge", "head", "accent", *(name for name in colours if name.startswith("hue-"))]
    assert len(shapes) == 12
    for shape in shapes:
        assert contrast(colours[shape], colours["lane"]) >= 3, shape
