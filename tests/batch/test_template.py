from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.batch.template import (
    DEFAULT_TEMPLATE,
    check_template,
    component,
    finer_templates,
    output_path,
    record_path,
)
from stemsplit.errors import UsageError

OUT = Path("/out")
FIELDS = {"model": "m", "dir": "a/b", "track": "song", "stem": "bass", "ext": "wav"}
TELLING = {"root": "top", "original_ext": "flac", "id": "0123abcd"}


def test_the_default_mirrors_the_tree() -> None:
    assert output_path(OUT, DEFAULT_TEMPLATE, FIELDS) == OUT / "m/a/b/song/bass.wav"
    flat = {**FIELDS, "dir": ""}
    assert output_path(OUT, DEFAULT_TEMPLATE, flat) == OUT / "m/song/bass.wav"


@pytest.mark.parametrize(
    ("template", "record"),
    [
        (DEFAULT_TEMPLATE, "m/a/b/song/stemsplit.json"),
        ("{track}-{stem}.{ext}", "song.stemsplit.json"),
        ("{stem}/{track}.{ext}", "song.stemsplit.json"),
        ("x/{track}/{stem}/{model}.{ext}", "x/song/stemsplit.json"),
        ("{root}/{track}.{original_ext}/{stem}.{ext}", "top/song.flac/stemsplit.json"),
        ("{track}.{original_ext} {stem}.{ext}", "song.flac.stemsplit.json"),
        ("{track}/{root} {stem} {id}.{ext}", "song/song.top.0123abcd.stemsplit.json"),
    ],
)
def test_the_record_lies_where_all_stems_of_the_track_meet(template: str, record: str) -> None:
    assert record_path(OUT, template, FIELDS | TELLING) == OUT / record


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{stem", "expected '}'"),
        ("{artist}/{stem}.wav", "field {artist}"),
        ("{stem.__class__}.wav", r"field {stem.__class__}"),
        ("{stem!r}.wav", "field {stem}"),
        ("{stem:>9}.wav", "field {stem}"),
        ("{stem:}.wav", "field {stem}"),
        ("{stem}/{stem:}.wav", "field {stem}"),
        ("{}/{stem}.wav", "field {}"),
        ("{track}.{ext}", "needs {stem}"),
        ("../{stem}.wav", "leaves the output folder"),
        ("a/../../{stem}.wav", "leaves the output folder"),
        ("a\\..\\{stem}.wav", "leaves the output folder"),
        ("/etc/{stem}.wav", "leaves the output folder"),
    ],
)
def test_a_template_that_cannot_work_is_refused(template: str, message: str) -> None:
    with pytest.raises(UsageError, match=message.replace("{", r"\{").replace("}", r"\}")):
        check_template(template)


@pytest.mark.parametrize(
    ("template", "completed"),
    [
        ("{stem}", "{stem}.{ext}"),
        ("{track}/{stem}/", "{track}/{stem}.{ext}"),
        ("{stem}.", "{stem}.{ext}"),
        ("{stem}/.", "{stem}.{ext}"),
        ("{track}.{stem}", "{track}.{stem}.{ext}"),
        ("{stem} Vol. 2", "{stem} Vol. 2.{ext}"),
        ("{stem} 1.0", "{stem} 1.0.{ext}"),
        ("{stem}.{original_ext}", "{stem}.{original_ext}.{ext}"),
        ("{stem}_{ext}", "{stem}_{ext}.{ext}"),
        ("a.b/{stem}", "a.b/{stem}.{ext}"),
        ("{stem}.{ext}", "{stem}.{ext}"),
        ("{ext}/{stem}.WAV", "{ext}/{stem}.WAV"),
        ("{stem}.mp3", "{stem}.mp3"),
    ],
)
def test_a_template_without_an_extension_gets_one(template: str, completed: str) -> None:
    assert check_template(template) == completed
    assert check_template(completed) == completed


def test_the_last_of_the_finer_templates_names_each_song_apart() -> None:
    templates = list(finer_templates("{model}/{stem}.{ext}"))
    assert templates[:2] == ["{model}/{stem}.{ext}", "{model}/{track}/{stem}.{ext}"]
    assert templates[-1] == "{model}/{track} {id}/{stem}.{ext}"
    assert len(set(templates)) == len(templates)
    assert all(check_template(template) == template for template in templates)


def test_an_original_without_an_extension_leaves_no_dot() -> None:
    fields = {**FIELDS, "original_ext": ""}
    assert output_path(OUT, "{track}.{original_ext}/{stem}", fields) == OUT / "song/bass"
    fields["original_ext"] = "flac"
    assert output_path(OUT, "{track}.{original_ext}/{stem}", fields) == OUT / "song.flac/bass"


@given(
    st.fixed_dictionaries(
        {name: st.text(alphabet=st.characters(exclude_categories=["Cs"])) for name in FIELDS}
    )
)
def test_no_value_leaves_the_output_folder(fields: dict[str, str]) -> None:
    path = output_path(OUT, DEFAULT_TEMPLATE, fields)
    assert ".." not in path.parts
    assert path.is_relative_to(OUT)
    levels = len([part for part in fields["dir"].split("/") if part])
    assert len(path.relative_to(OUT).parts) == 3 + levels


@pytest.mark.parametrize(
    "name", ["...", "..", ".", "", "a/b", "nul\0byte", "x" * 300, "-rf", "é 🎸"]
)
def test_a_track_is_one_component(name: str) -> None:
    path = output_path(OUT, "{track}/{stem}.wav", {**FIELDS, "track": name})
    assert len(path.relative_to(OUT).parts) == 2


@pytest.mark.parametrize(
    "template", ["{dir}../{stem}", "{dir}../{dir}../{stem}", "{dir}./.{dir}./{stem}"]
)
def test_empty_fields_make_no_way_out(template: str) -> None:
    path = output_path(OUT, check_template(template), {**FIELDS, "dir": ""})
    assert ".." not in path.parts
    assert path.is_relative_to(OUT)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CON", "_CON"),
        ("nul.old", "_nul.old"),
        ("Com1 .x", "_Com1 .x"),
        ("com¹", "_com¹"),
        ("console", "console"),
        ("what? <a|b>*", "what_ _a_b__"),
        ("a\\b:c", "a_b_c"),
        ("dots...", "dots"),
        ("space ", "space"),
        (".. .", "_"),
        ("new\nline", "new_line"),
    ],
)
def test_names_that_windows_forbids_are_changed_there(name: str, expected: str) -> None:
    assert component(name, on_windows=True) == expected
    assert component(name, on_windows=False) == name
