"""Names of songs and folders as people, other systems and jokers make them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import sys
import unicodedata
from pathlib import Path

import pytest
from typer.testing import Result

from tests.audio.songs import tone, write_sndfile
from tests.cli.conftest import Stemsplit

pytestmark = pytest.mark.slow

POSIX_ONLY = pytest.mark.skipif(os.name == "nt", reason="Windows has no such names or files")

ODD_STEMS = (
    "two  spaces",
    "it's",
    'the "B" side',
    "`id` $(id) %s {stem} ~",
    "[bold]x[red] [@click=quit]y",
    ":guitar: [red",
    "back\\slash\\",
    "🎸 👨‍👩‍👧 é ß 你好 ﷺ",
    "cafe\N{COMBINING ACUTE ACCENT}",
    "-rf",
    "--help",
    "trailing dot.",
    "trailing space ",
    " leading space",
    ".. ",
    "CON",
    "nul",
    "aux.old",
    "what? <a|b>*",
    "new\nline",
    "tab\tbell\a\x1b[31mred\x1b[0m\r",
    "line\N{LINE SEPARATOR}separator",
    os.fsdecode(b"not utf-8 \xff\xe9"),
    "x" * 251,
    "é" * 125,
)


@pytest.fixture(scope="module")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sndfile(tmp_path_factory.mktemp("song") / "song.wav", tone(500))


def make_song(path: Path, wav: Path) -> Path:
    """A song of that name, or a skipped test where the file system has no such names."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(wav, path)
    except OSError as error:
        pytest.skip(f"no such names here: {error}")
    return path


def files_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def lines(text: str) -> list[str]:
    """The lines as a terminal shows them: str.splitlines knows every kind of line end."""
    assert not {"\x1b", "\a", "\r"} & set(text)
    assert len(text.splitlines()) == text.count("\n")
    return text.splitlines()


def events(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.removesuffix("\n").split("\n")]


@POSIX_ONLY
@pytest.mark.parametrize("stem", ODD_STEMS, ids=ascii)
def test_a_song_of_any_name_is_separated(stemsplit: Stemsplit, wav: Path, stem: str) -> None:
    song = make_song(Path(f"{stem}.wav"), wav)
    result = stemsplit("-m", "spectral", "-o", "out", "--stems", "bass", "--", song)
    assert result.exit_code == 0, result.stderr
    folder = Path("out", "spectral", stem)
    assert files_below(Path("out")) == {
        str(Path("spectral", stem, name)) for name in ("bass.wav", "stemsplit.json")
    }
    assert names_in(Path()) == {song.name, "out"}
    assert len(lines(result.stdout)) == 1
    lines(result.stderr)
    record = json.loads((folder / "stemsplit.json").read_bytes())
    assert os.fsencode(Path(record["input"]["path"])) == os.fsencode(song.absolute())
    again = stemsplit("-m", "spectral", "-o", "out", "--stems", "bass", "--json", "--", song)
    assert [event["event"] for event in events(again)][-2:] == ["skipped", "summary"]


@POSIX_ONLY
@pytest.mark.parametrize("stem", ODD_STEMS, ids=ascii)
def test_a_bad_song_of_any_name_is_one_line(stemsplit: Stemsplit, wav: Path, stem: str) -> None:
    song = make_song(Path(f"{stem}.wav"), wav)
    song.write_text("no music")
    result = stemsplit("-m", "spectral", "-o", "out", "--", song)
    assert result.exit_code == 1
    (line,) = (line for line in lines(result.stderr) if line.startswith("Failed:"))
    assert line.count("is not audio that stemsplit can read.") == 1
    as_json = stemsplit("-m", "spectral", "-o", "out", "--json", "--", song)
    (failed,) = (event for event in events(as_json) if event["event"] == "failed")
    assert os.fsencode(str(failed["input"])) == os.fsencode(song.absolute())
    assert len(str(failed["error"]).splitlines()) == 1
    lines(as_json.stderr)


@POSIX_ONLY
def test_a_folder_of_odd_names_is_mirrored(stemsplit: Stemsplit, wav: Path) -> None:
    stems = [stem for stem in ODD_STEMS if not stem.startswith(".")]  # those are hidden
    for stem in stems:
        make_song(Path("music", stem, "song.wav"), wav)
    result = stemsplit("music", "-m", "spectral", "-o", "out", "--stems", "bass")
    assert result.exit_code == 0, result.stderr
    assert files_below(Path("out")) == {
        str(Path("spectral", stem, "song", name))
        for stem in stems
        for name in ("bass.wav", "stemsplit.json")
    }
    assert len(lines(result.stdout)) == len(stems)


@pytest.mark.parametrize(
    "name", ["[bold]x[/]y.wav", "[/]x.wav", ":guitar:.wav", "a\\.wav", "[link=x]y[/link].wav"]
)
def test_nothing_in_a_name_is_markup(stemsplit: Stemsplit, wav: Path, name: str) -> None:
    make_song(Path(name), wav)  # what looks like a closing tag is a folder and a file in it
    missing = name.replace(".wav", "2.wav")
    result = stemsplit(name, missing, "-m", "spectral", "-o", "[/]:cd:", "--stems", "bass")
    assert f"1 of 2: {name}\n" in result.stderr
    assert f"Failed: {missing} does not exist." in result.stderr
    bass = Path("[/]:cd:", "spectral", Path(name).stem, "bass.wav").absolute()
    assert f"{Path(name).name}: {bass} (" in result.stdout
    refused = stemsplit(name, "-m", "spectral", "--template", "[/]:guitar:[b].wav")
    assert "--template '[/]:guitar:[b].wav' would write every stem" in refused.stderr
    no_model = stemsplit(name, "-m", "[/]:guitar:[b]")
    assert "[/]:guitar:[b]" in no_model.stderr


@POSIX_ONLY
def test_nothing_in_the_name_of_an_output_folder_or_a_model_breaks_a_line(
    stemsplit: Stemsplit, wav: Path
) -> None:
    song = make_song(Path("song.wav"), wav)
    odd = "a\n\x1b[31mb" + os.fsdecode(b"\xff")
    assert len(lines(stemsplit(song, "-m", f"{odd}/x.th").stderr)) == 1
    Path(odd).write_text("occupied")
    for arguments in (["-o", odd], ["--template", f"{{{odd}}}"], ["--two-stems", odd]):
        result = stemsplit(song, "-m", "spectral", *arguments)
        assert result.exit_code in (1, 2)
        lines(result.stderr)


@POSIX_ONLY
@pytest.mark.parametrize(
    "names",
    [
        # A Mac's disk would take their outputs for one.
        tuple(unicodedata.normalize(form, "Café.wav") for form in ("NFC", "NFD")),
        ("Song.wav", "sONG.wav"),
    ],
    ids=["accent", "case"],
)
def test_songs_whose_names_look_alike_have_folders_of_their_own(
    stemsplit: Stemsplit, wav: Path, names: tuple[str, str]
) -> None:
    for name in names:
        make_song(Path("music", name), wav)
    if len(names_in(Path("music"))) < 2:
        pytest.skip("this file system takes both names for one")
    arguments = ("music", "-m", "spectral", "-o", "out", "--stems", "bass")
    result = stemsplit(*arguments)
    assert result.exit_code == 0, result.stderr
    folders = names_in(Path("out", "spectral"))
    assert len({unicodedata.normalize("NFC", name).casefold() for name in folders}) == 2
    assert result.stderr.count("Note: Of songs that have one name, the stems go to ") == 1
    again = stemsplit(*arguments, "--json")
    assert [event["event"] for event in events(again)] == ["skipped", "skipped", "summary"]
    chosen = stemsplit(*arguments[:-2], "--template", "{track}/{stem}")
    assert chosen.exit_code == 2
    assert "would both write" in chosen.stderr
    assert "{track} {id}/{stem}.{ext}" in chosen.stderr
    assert names_in(Path("out", "spectral")) == folders


def test_what_was_finished_stays_when_a_song_of_its_name_joins(
    stemsplit: Stemsplit, song: Path
) -> None:
    arguments = ("-m", "spectral", "-o", "out", "--stems", "bass", "--json")
    write_sndfile(Path("song.flac"), tone(3000))
    assert stemsplit("song.flac", *arguments).exit_code == 0
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")}
    for inputs, statuses in (
        ([song, "song.flac"], ["done", "skipped"]),
        ([song], ["skipped"]),
        (["song.flac", song], ["skipped", "skipped"]),
    ):
        result = stemsplit(*inputs, *arguments)
        assert result.exit_code == 0, result.stderr
        found = [each["event"] for each in events(result)]
        assert [event for event in found if event in ("done", "skipped")] == statuses
    assert names_in(Path("out", "spectral")) == {"song", "song.wav"}
    files = [path for path in before if path.is_file()]
    assert [path.stat().st_mtime_ns for path in files] == [before[path] for path in files]


def test_a_template_that_another_song_has_used_replaces_nothing_unasked(
    stemsplit: Stemsplit, song: Path
) -> None:
    arguments = ("-m", "spectral", "--stems", "bass", "--template", "{track}/{stem}")
    bass = Path("separated/song/bass.wav")
    write_sndfile(Path("song.flac"), tone(3000))
    assert stemsplit("song.flac", *arguments).exit_code == 0
    before = bass.read_bytes()
    for options in ((), ("--dry-run",)):
        refused = stemsplit(song, *arguments, *options)
        assert refused.exit_code == 1
        flac = Path("song.flac").absolute()
        assert f"The stems of {flac} are where those of {song} should go." in refused.stderr
        assert "Use --overwrite to replace them, or a --template" in refused.stderr
    assert bass.read_bytes() == before
    assert stemsplit(song, *arguments, "--overwrite").exit_code == 0
    assert bass.read_bytes() != before
    # The same song may change, and move.
    song.rename("moved.wav")
    Path("new").mkdir()
    write_sndfile(Path("new/song.wav"), tone(2000))
    assert stemsplit("new/song.wav", *arguments).exit_code == 0


@pytest.mark.parametrize("options", [("--dry-run",), ("--preview", "-q"), ()])
def test_songs_of_two_albums_that_have_one_name_are_all_done(
    stemsplit: Stemsplit, wav: Path, options: tuple[str, ...]
) -> None:
    for name in ("A/01 Intro.wav", "B/01 Intro.wav", "A/02 Song.wav"):
        make_song(Path(name), wav)
    result = stemsplit("A", "B", "-m", "spectral", "-o", "out", "--stems", "bass", *options)
    assert result.exit_code == 0, result.stderr
    top = Path("out", *(["preview"] if "--preview" in options else []), "spectral")
    folders = [top / name for name in ("A/01 Intro", "B/01 Intro", "02 Song")]
    if "--dry-run" in options:
        assert all(str(folder.absolute()) in result.stdout for folder in folders)
    else:
        assert sorted(path.parent for path in top.rglob("bass.wav")) == sorted(folders)


def test_outputs_that_would_replace_inputs_are_all_named(stemsplit: Stemsplit, wav: Path) -> None:
    for name in ("bass.wav", "drums.wav"):
        make_song(Path(name), wav)
    result = stemsplit(
        "bass.wav", "drums.wav", "-m", "spectral", "-o", ".", "--template", "{stem}.{ext}"
    )
    assert result.exit_code == 2
    assert "drums.wav and bass.wav are to be written, and are inputs." in result.stderr
    assert names_in(Path()) == {"bass.wav", "drums.wav"}


@POSIX_ONLY
def test_a_name_that_is_dots_becomes_a_folder_of_its_own(stemsplit: Stemsplit, wav: Path) -> None:
    for name in ("...mp3", "....wav", "..wav"):
        song = make_song(Path(name), wav)
        result = stemsplit(song, "-m", "spectral", "-o", f"out{len(name)}", "--stems", "bass")
        assert result.exit_code == 0, result.stderr
        (bass,) = Path(f"out{len(name)}").rglob("bass.wav")
        assert len(bass.parts) == 4
        assert ".." not in bass.parts


@POSIX_ONLY
@pytest.mark.parametrize("template", ["{track}-{stem}.{ext}", "{stem}/{track}.{ext}"])
def test_a_name_that_gets_too_long_fails_before_any_work(
    stemsplit: Stemsplit, wav: Path, template: str
) -> None:
    song = make_song(Path("x" * 251 + ".wav"), wav)
    result = stemsplit(song, "-m", "spectral", "-o", "out", "--template", template, "--json")
    assert result.exit_code == 1
    (failed,) = (event for event in events(result) if event["event"] == "failed")
    assert "File name too long. Shorten the name with --template." in str(failed["error"])
    assert "progress" not in {event["event"] for event in events(result)}
    assert files_below(Path("out")) == set()


@POSIX_ONLY
def test_a_path_that_is_too_long_is_one_line(stemsplit: Stemsplit) -> None:
    for name in ("x" * 300 + ".wav", "x/" * 3000 + "song.wav"):
        result = stemsplit(name, "-m", "spectral")
        assert result.exit_code == 1
        assert "cannot be read: File name too long." in result.stderr
        assert "unexpected" not in result.stderr


@POSIX_ONLY
def test_links_in_the_output_folder_are_the_users_own(stemsplit: Stemsplit, wav: Path) -> None:
    """The output folder is guarded against names, not against links that its owner put there."""
    song = make_song(Path("song.wav"), wav)
    Path("other disk").mkdir()
    Path("out").mkdir()
    Path("out", "spectral").symlink_to(Path("other disk").absolute())
    assert stemsplit(song, "-m", "spectral", "-o", "out", "--stems", "bass").exit_code == 0
    assert Path("other disk", "song", "bass.wav").exists()


@POSIX_ONLY
def test_a_link_in_the_place_of_a_stem_is_never_followed(stemsplit: Stemsplit, wav: Path) -> None:
    song = make_song(Path("song.wav"), wav)
    victim = Path("victim")
    victim.write_text("mine")
    bass = Path("out", "spectral", "song", "bass.wav")
    bass.parent.mkdir(parents=True)
    bass.symlink_to(victim.absolute())
    arguments = (song, "-m", "spectral", "-o", "out", "--stems", "bass")
    result = stemsplit(*arguments)
    assert result.exit_code == 1
    assert "bass.wav already exists." in result.stderr
    assert stemsplit(*arguments, "--overwrite").exit_code == 0
    assert not bass.is_symlink()
    assert victim.read_text() == "mine"


@POSIX_ONLY
@pytest.mark.parametrize("where", ["../../../victim.wav", "{absolute}", "bass.wav/../victim.wav"])
def test_a_record_from_elsewhere_makes_no_other_file_ours(
    stemsplit: Stemsplit, wav: Path, where: str
) -> None:
    """A hostile stemsplit.json names a file of the user's, with its right checksum."""
    song = make_song(Path("song.wav"), wav)
    victim = make_song(Path("victim.wav"), wav)
    arguments = (song, "-m", "spectral", "-o", "out", "--stems", "bass")
    assert stemsplit(*arguments).exit_code == 0
    record_file = Path("out", "spectral", "song", "stemsplit.json")
    record = json.loads(record_file.read_bytes())
    foreign = {
        "stem": "bass",
        "file": where.format(absolute=victim.absolute()),
        "bytes": victim.stat().st_size,
        "sha256": hashlib.sha256(victim.read_bytes()).hexdigest(),
    }
    record["outputs"] = [foreign]
    for name in ("replaces", "previous"):
        record[name] = [foreign]
    record_file.write_text(json.dumps(record))
    before = victim.read_bytes()
    for options in ([], ["--bit-depth", "16"], ["--overwrite"]):
        stemsplit(*arguments, *options)
        assert victim.read_bytes() == before
    assert names_in(Path()) == {"song.wav", "victim.wav", "out"}


@POSIX_ONLY
@pytest.mark.parametrize("kind", ["fifo", "socket", "/dev/zero", "/dev/null", "link to fifo"])
def test_what_is_not_a_file_is_refused_at_once(stemsplit: Stemsplit, kind: str) -> None:
    path = Path(kind if kind.startswith("/") else "song.wav")
    server = socket.socket(socket.AF_UNIX)
    with server:
        if kind == "socket":
            server.bind(str(path))
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "link to fifo":
            os.mkfifo("pipe")
            path.symlink_to("pipe")
        elif not path.exists():
            pytest.skip(f"no {path} here")
        result = stemsplit(path, "-m", "spectral")
    assert result.exit_code == 1
    assert f"Failed: {path} is not a regular file." in result.stderr


@POSIX_ONLY
def test_what_is_not_a_file_is_passed_over_in_a_folder(stemsplit: Stemsplit, wav: Path) -> None:
    make_song(Path("music", "song.wav"), wav)
    os.mkfifo(Path("music", "pipe.wav"))
    Path("music", "dangling.wav").symlink_to("nowhere")
    Path("music", "zero.wav").symlink_to("/dev/zero")
    result = stemsplit("music", "-m", "spectral", "-o", "out", "--stems", "bass")
    assert result.exit_code == 0, result.stderr
    assert [path.parent.name for path in Path("out").rglob("bass.wav")] == ["song"]
    assert "music/dangling.wav is a link to nothing: passed over." in result.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc")
def test_a_file_without_a_size_is_refused(stemsplit: Stemsplit) -> None:
    result = stemsplit("/proc/self/status", "-m", "spectral")
    assert result.exit_code == 1
    assert "is empty (0 bytes)" in result.stderr
