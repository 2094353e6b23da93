"""`report`, `separate --report` and `separate --preview` on the command line."""

from __future__ import annotations

import functools
import json
import re
import webbrowser
from pathlib import Path
from typing import Any

import pytest

from stemsplit.report.busiest import busiest_range
from tests.audio.songs import tone, write_sndfile
from tests.cli.conftest import Stemsplit

pytestmark = pytest.mark.slow


def events(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


def lanes_of(page: Path) -> list[dict[str, Any]]:
    text = page.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="song">(.*?)</script>', text)
    lanes: list[dict[str, Any]] = json.loads(data)["lanes"]
    return lanes


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was opened in the browser."""
    addresses: list[str] = []
    monkeypatch.setattr(webbrowser, "open", addresses.append)
    return addresses


@pytest.fixture
def two_songs(stemsplit: Stemsplit, song: Path) -> Path:
    """The output of two songs."""
    write_sndfile(song.with_name("other.wav"), tone(9000))
    assert stemsplit("song.wav", "other.wav", "-m", "spectral").exit_code == 0
    return Path("separated")


def test_a_folder_gets_a_page_per_track_and_an_index(
    stemsplit: Stemsplit, two_songs: Path, opened: list[str]
) -> None:
    result = stemsplit("report", two_songs)
    assert result.exit_code == 0, result.stderr
    pages = [two_songs / "spectral" / name / "report.html" for name in ("other", "song")]
    index = two_songs / "index.html"
    assert result.stdout.splitlines() == [str(path.absolute()) for path in (*pages, index)]
    assert all(path.exists() for path in (*pages, index))
    assert [lane["stem"] for lane in lanes_of(pages[0])] == [
        None,
        "drums",
        "bass",
        "other",
        "vocals",
    ]
    assert opened == []
    assert stemsplit("report", two_songs, "--open", "-q").stdout == ""
    assert opened == [index.absolute().as_uri()]


def test_pages_are_neither_songs_nor_in_the_way(stemsplit: Stemsplit, two_songs: Path) -> None:
    before = (two_songs / "spectral" / "song" / "drums.wav").stat().st_mtime_ns
    assert stemsplit("report", two_songs).exit_code == 0
    again = stemsplit("song.wav", "-m", "spectral", "--report")
    assert again.exit_code == 0
    assert "already done: skipped" in again.stderr
    assert (two_songs / "spectral" / "song" / "drums.wav").stat().st_mtime_ns == before


def test_report_follows_a_run(stemsplit: Stemsplit, song: Path, opened: list[str]) -> None:
    Path("broken.mp3").write_bytes(b"junk")
    result = stemsplit(song, "broken.mp3", "-m", "spectral", "--report", "--json")
    assert result.exit_code == 1
    pages = [event for event in events(result.stdout) if event["event"] == "page"]
    assert [Path(event["page"]).name for event in pages] == ["report.html", "index.html"]
    assert all(event["error"] is None and event["schema"] == 1 for event in pages)
    index = Path("separated/index.html").read_text(encoding="utf-8")
    assert re.findall(r'class="state (\w+)"', index) == ["failed", "done"]
    assert "is not audio that stemsplit can read" in index
    assert opened == []


def test_only_the_songs_of_the_run_get_pages(stemsplit: Stemsplit, two_songs: Path) -> None:
    result = stemsplit("other.wav", "-m", "spectral", "--report")
    assert result.exit_code == 0
    assert (two_songs / "spectral" / "other" / "report.html").exists()
    assert not (two_songs / "spectral" / "song" / "report.html").exists()
    # The index knows the whole folder.
    assert (two_songs / "index.html").read_text(encoding="utf-8").count("<tr>") == 3


def pages_in(events_of: str) -> list[str]:
    return [
        Path(each["page"]).relative_to(Path("separated").absolute()).as_posix()
        for each in events(events_of)
        if each["event"] == "page"
    ]


def test_one_new_song_of_a_library_makes_its_page_and_the_index(
    stemsplit: Stemsplit, two_songs: Path, bag_folder: Path
) -> None:
    arguments = ("-m", "spectral", "--report", "--json")
    first = stemsplit("song.wav", "other.wav", *arguments)
    pages = ["spectral/other/report.html", "spectral/song/report.html"]
    assert sorted(pages_in(first.stdout)) == ["index.html", *pages]
    before = {page: (two_songs / page).stat().st_mtime_ns for page in pages}
    write_sndfile(Path("new.wav"), tone(7000))
    second = stemsplit("song.wav", "new.wav", "other.wav", *arguments)
    assert pages_in(second.stdout) == ["spectral/new/report.html", "index.html"]
    assert {page: (two_songs / page).stat().st_mtime_ns for page in pages} == before
    assert (two_songs / "index.html").read_text(encoding="utf-8").count("<tr>") == 4
    # A page with all sounds in it is another one.
    third = stemsplit("song.wav", *arguments, "--embed")
    assert pages_in(third.stdout) == ["spectral/song/report.html", "index.html"]
    # So is one that compares one more separation: all pages of that song, and no others.
    fourth = stemsplit("song.wav", "-m", bag_folder / "htdemucs.yaml", *arguments[2:])
    assert pages_in(fourth.stdout) == [
        "htdemucs/song/report.html",
        "spectral/song/report.html",
        "index.html",
    ]
    # Whoever asks for all pages gets all.
    assert len(pages_in(stemsplit("report", two_songs, "--json").stdout)) == 5


def test_a_page_that_is_up_to_date_is_still_shown(
    stemsplit: Stemsplit, song: Path, opened: list[str]
) -> None:
    arguments = (song, "-m", "spectral", "--report", "--open")
    assert stemsplit(*arguments).exit_code == 0
    page = Path("separated/spectral/song/report.html").absolute()
    before = page.stat().st_mtime_ns
    assert stemsplit(*arguments).stdout.splitlines()[-1] == str(page)
    assert page.stat().st_mtime_ns == before
    assert opened == [page.as_uri()] * 2
    page.write_text("<!-- another's -->")
    foreign = stemsplit(*arguments)
    assert "is no page of stemsplit's" in foreign.stderr


def test_a_foreign_page_is_left_alone(stemsplit: Stemsplit, two_songs: Path) -> None:
    mine = two_songs / "spectral" / "song" / "report.html"
    mine.write_text("mine")
    result = stemsplit("report", two_songs)
    assert result.exit_code == 1
    assert "report.html is there already, and is no page of stemsplit's" in result.stderr
    assert mine.read_text() == "mine"
    assert (two_songs / "spectral" / "other" / "report.html").exists()


def test_tracks_that_share_a_folder_have_pages_of_their_own(
    stemsplit: Stemsplit, song: Path
) -> None:
    template = "{track} {stem}.{ext}"
    result = stemsplit(song, "-m", "spectral", "--template", template, "--report", "--embed")
    assert result.exit_code == 0, result.stderr
    assert Path("separated/song.report.html").exists()
    assert all(lane["audio"] for lane in lanes_of(Path("separated/song.report.html")))


def test_preview_compares_models(
    stemsplit: Stemsplit,
    bag_folder: Path,
    opened: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    two_seconds = functools.partial(busiest_range, seconds=2.0)
    monkeypatch.setattr("stemsplit.report.busiest.busiest_range", two_seconds)
    write_sndfile(Path("song.wav"), tone(4 * 8000), sample_rate=8000)
    models = ("-m", "spectral", "-m", bag_folder / "htdemucs.yaml")
    result = stemsplit("song.wav", "--preview", *models)
    assert result.exit_code == 0, result.stderr
    pages = sorted(Path("separated/preview").rglob("report.html"))
    assert [page.parent.parent.name for page in pages] == ["htdemucs", "spectral"]
    lanes = lanes_of(pages[0])
    assert [(lane["stem"], lane["model"]) for lane in lanes[:3]] == [
        (None, None),
        ("drums", "htdemucs"),
        ("drums", "spectral"),
    ]
    record = json.loads(pages[0].with_name("stemsplit.json").read_text())
    assert record["num_samples"] == 2 * 8000
    assert sorted(path.name for path in Path("separated").iterdir()) == ["preview"]
    assert opened == []  # nobody sits in front of a test
    assert stemsplit("song.wav", "--preview", *models, "--open").exit_code == 0
    assert len(opened) == 1
    # Previews are no finished tracks.
    assert stemsplit("song.wav", "-m", "spectral", "--report").exit_code == 0
    assert not Path("separated/index.html").exists()


def test_preview_json_ends_once(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, "--preview", "-m", "spectral", "-m", "spectral", "--json")
    assert result.exit_code == 0
    kinds = [event["event"] for event in events(result.stdout)]
    assert kinds.count("summary") == 1
    assert kinds.count("done") == kinds.count("skipped") == 1
    assert kinds[-1] == "page"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-m", "a", "-m", "b"], "--model was given 2 times: a, b. Give one, or add --preview"),
        (["--embed"], "--embed is about a page, and none was asked for"),
        (["--open"], "--open is about a page"),
        (["--preview", "--dry-run"], "--dry-run and --preview exclude each other"),
        (["--preview", "--start", "3"], "--start and --preview exclude each other"),
        (["--preview", "--end", "3"], "--end and --preview exclude each other"),
        (["--report", "-o", "-", "--stems", "bass"], "With -o - the stem goes to stdout"),
        (["--preview", "-o", "-", "--stems", "bass"], "With -o - the stem goes to stdout"),
    ],
)
def test_options_that_make_no_sense(
    stemsplit: Stemsplit, song: Path, arguments: list[str], complaint: str
) -> None:
    result = stemsplit(song, *arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr


def test_a_folder_without_stems_is_refused(stemsplit: Stemsplit, song: Path) -> None:
    nothing = stemsplit("report", song.parent)
    assert nothing.exit_code == 1
    assert "There are no finished stems below" in nothing.stderr
    missing = stemsplit("report", "nowhere")
    assert missing.exit_code == 1
    assert "nowhere is no folder" in missing.stderr


def test_records_of_others_are_passed_over(stemsplit: Stemsplit, two_songs: Path) -> None:
    (two_songs / "x").mkdir()
    (two_songs / "x" / "stemsplit.json").write_text('{"schema": 1, "outputs": "none"}')
    (two_songs / ".hidden").mkdir()
    (two_songs / "spectral" / "song").rename(two_songs / ".hidden" / "song")
    result = stemsplit("report", two_songs)
    assert result.exit_code == 0
    assert [Path(line).parent.name for line in result.stdout.splitlines()] == ["other"]


def test_a_stem_file_shows_its_stems(stemsplit: Stemsplit, song: Path) -> None:
    result = stemsplit(song, "-m", "spectral", "--format", "stem.mp4", "--report")
    assert result.exit_code == 0, result.stderr
    (page,) = Path("separated").rglob("report.html")
    lanes = lanes_of(page)
    assert [lane["stem"] for lane in lanes] == [None, "drums", "bass", "other", "vocals"]
    assert len({lane["audio"] for lane in lanes}) == 5
