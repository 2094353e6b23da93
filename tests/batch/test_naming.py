"""Songs of one name: who has which place, from run to run."""

from __future__ import annotations

import hashlib
import io
import json
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from stemsplit.audio.encode.encoders import Encoding
from stemsplit.audio.source import hash_file
from stemsplit.batch.collisions import check_collisions
from stemsplit.batch.discover import discover
from stemsplit.batch.job import Job, plan_outputs, plan_record
from stemsplit.batch.naming import name_apart
from stemsplit.batch.record_file import SCHEMA
from stemsplit.batch.template import DEFAULT_TEMPLATE
from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.chain import Chain
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.session import Session
from stemsplit.errors import UsageError
from tests.engine.toy_models import GainModel, model_of


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(
        chain=Chain(model=model_of(GainModel()), options=SeparationOptions()),
        runtime=choose_runtime(device="cpu"),
    )


def sound(name: str) -> bytes:
    """A short wav file, another one for each name."""
    file = io.BytesIO()
    samples = np.frombuffer(hashlib.sha256(os.fsencode(name)).digest(), np.int16)
    soundfile.write(file, samples, 44_100, format="WAV")
    return file.getvalue()


class Library:
    """Songs, and the names that runs over some of them give to their places."""

    def __init__(self, folder: Path, session: Session) -> None:
        self.folder = folder
        self.session = session

    def add(self, *names: str) -> None:
        """Makes songs whose contents differ."""
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sound(name))

    def jobs(self, inputs: Sequence[str], template: str = DEFAULT_TEMPLATE) -> list[Job]:
        return [
            Job(
                song=song,
                output_dir=self.folder / "out",
                template=template,
                encoding=Encoding(),
                clip="common",
            )
            for song in discover([self.folder / name for name in inputs]).songs
        ]

    def places(self, *inputs: str) -> dict[str, str]:
        """The place of each song in a run over these inputs."""
        named = name_apart(self.jobs(inputs), self.session)
        check_collisions(named, self.session)
        top = self.folder / "out" / self.session.model.name
        return {
            job.song.path.relative_to(self.folder).as_posix(): plan_record(job, self.session)
            .parent.relative_to(top)
            .as_posix()
            for job in named
        }

    def finish(self, *inputs: str) -> dict[str, str]:
        """The same, of a run that leaves its records."""
        places = self.places(*inputs)
        for job in name_apart(self.jobs(inputs), self.session):
            file = plan_record(job, self.session)
            file.parent.mkdir(parents=True, exist_ok=True)
            record = {
                "schema": SCHEMA,
                "input": {"path": str(job.song.path.absolute())},
                "fingerprint": {"input_sha256": hash_file(job.song.path)},
            }
            file.write_text(json.dumps(record))
        return places


@pytest.fixture
def library(tmp_path: Path, session: Session) -> Library:
    return Library(tmp_path, session)


def test_only_songs_that_meet_get_names_of_their_own(library: Library) -> None:
    library.add("a.flac", "a.wav", "b.wav", "no extension", "no extension.mp3")
    assert library.places(".", "no extension") == {
        "a.flac": "a.flac",
        "a.wav": "a.wav",
        "b.wav": "b",
        "no extension": "no extension",
        "no extension.mp3": "no extension.mp3",
    }


def test_songs_of_two_folders_are_told_apart_by_these(library: Library) -> None:
    library.add("A/01 Intro.flac", "A/02.flac", "B/01 Intro.mp3", "A/x/03.wav", "B/x/03.wav")
    assert library.places("A", "B") == {
        "A/01 Intro.flac": "A/01 Intro",
        "A/02.flac": "02",
        "A/x/03.wav": "A/x/03",
        "B/01 Intro.mp3": "B/01 Intro",
        "B/x/03.wav": "B/x/03",
    }
    # So are songs that were named one by one.
    assert library.places("A/01 Intro.flac", "B/01 Intro.mp3") == {
        "A/01 Intro.flac": "A/01 Intro",
        "B/01 Intro.mp3": "B/01 Intro",
    }


def test_no_song_gets_a_hidden_place(library: Library) -> None:
    library.add(".A/1.flac", "B/1.flac")
    assert library.places(".A", "B") == {".A/1.flac": "A/1", "B/1.flac": "B/1"}


def test_folder_and_extension_together_tell_more_apart(library: Library) -> None:
    library.add("A/1.flac", "A/1.wav", "B/1.flac")
    assert library.places("A", "B") == {
        "A/1.flac": "A/1.flac",
        "A/1.wav": "A/1.wav",
        "B/1.flac": "B/1.flac",
    }


def test_what_nothing_else_tells_apart_has_the_digits_of_its_path(library: Library) -> None:
    library.add("A/CD1/1.flac", "B/CD1/1.flac")
    places = library.places("A/CD1", "B/CD1")
    assert len(set(places.values())) == 2
    assert all(len(place) == len("1 01234567") for place in places.values())
    assert library.places("B/CD1", "A/CD1") == places


@pytest.mark.parametrize(
    "names",
    [
        ("Song.wav", "sONG.wav"),
        tuple(unicodedata.normalize(form, "Café.wav") for form in ("NFC", "NFD")),
        ("a.FLAC", "a.flac"),
    ],
)
def test_names_that_some_disks_take_for_one_are_told_apart(
    library: Library, names: tuple[str, str]
) -> None:
    library.add(*names)
    if len(list(library.folder.iterdir())) < 2:
        pytest.skip("this file system takes both names for one")
    places = library.places(".")
    assert len({place.casefold() for place in places.values()}) == 2
    assert library.finish(".") == places
    for name in names:
        assert library.places(name) == {name: places[name]}


def test_a_finished_song_keeps_its_place_whoever_joins_it(library: Library) -> None:
    library.add("a.flac", "a.wav", "a.mp3")
    assert library.finish("a.flac") == {"a.flac": "a"}
    both = {"a.flac": "a", "a.wav": "a.wav"}
    assert library.places("a.wav", "a.flac") == both
    assert library.finish("a.flac", "a.wav") == both
    assert library.places("a.wav") == {"a.wav": "a.wav"}
    assert library.places("a.mp3", "a.wav", "a.flac") == {**both, "a.mp3": "a.mp3"}


def test_a_song_alone_does_not_take_the_place_of_a_finished_one(library: Library) -> None:
    library.add("a.flac", "a.wav", "X/b.mp3", "Y/b.mp3")
    library.finish("a.flac", "X/b.mp3")
    assert library.places("a.wav") == {"a.wav": "a.wav"}
    assert library.places("Y/b.mp3") == {"Y/b.mp3": "Y/b"}


def test_songs_that_met_keep_their_places_when_they_come_alone(library: Library) -> None:
    library.add("a.flac", "a.wav")
    places = library.finish(".")
    for name in places:
        assert library.places(name) == {name: places[name]}


def test_a_song_that_has_changed_is_the_same_song(library: Library) -> None:
    library.add("a.flac")
    library.finish("a.flac")
    (library.folder / "a.flac").write_bytes(sound("another take"))
    assert library.places("a.flac") == {"a.flac": "a"}


def test_a_library_that_was_moved_keeps_its_places(library: Library) -> None:
    library.add("old/a.flac", "old/a.wav", "old/b.flac", "old/c.flac")
    places = library.finish("old")
    (library.folder / "old").rename(library.folder / "new")
    (library.folder / "new" / "c.flac").write_bytes(sound("moved, and with other tags"))
    assert library.places("new") == {
        name.replace("old", "new"): place for name, place in places.items()
    }


def test_a_song_of_another_name_is_another_song_though_the_original_is_gone(
    library: Library,
) -> None:
    library.add("a.flac")
    library.finish("a.flac")
    (library.folder / "a.flac").unlink()
    library.add("a.wav")
    assert library.places("a.wav") == {"a.wav": "a.wav"}


def test_of_two_heirs_of_a_place_none_gets_it(library: Library) -> None:
    library.add("old/a.flac")
    library.finish("old")
    (library.folder / "old" / "a.flac").unlink()
    library.add("A/a.flac", "B/a.flac")
    assert library.places("A", "B") == {"A/a.flac": "A/a", "B/a.flac": "B/a"}
    assert library.places("A") == {"A/a.flac": "a"}


def test_copies_of_a_song_have_places_of_their_own(library: Library) -> None:
    library.add("A/a.flac", "B/a.flac")
    (library.folder / "B/a.flac").write_bytes((library.folder / "A/a.flac").read_bytes())
    assert library.finish("A") == {"A/a.flac": "a"}
    assert library.places("B", "A") == {"A/a.flac": "a", "B/a.flac": "B/a"}
    assert library.places("B") == {"B/a.flac": "a"}  # the same bytes are done already


def test_a_finer_name_that_another_song_has_is_passed_over(library: Library) -> None:
    library.add("m/a.flac", "m/a.wav", "m/a.flac.mp3")
    assert library.places("m") == {
        "m/a.flac": "m/a.flac",
        "m/a.wav": "m/a.wav",
        "m/a.flac.mp3": "a.flac",
    }


def test_songs_that_cannot_be_read_are_in_nobodys_way(library: Library) -> None:
    library.add("a.flac")
    assert library.places("a.wav", "a.flac") == {"a.flac": "a", "a.wav": "a"}


def test_one_file_by_two_paths_is_one_song(library: Library) -> None:
    library.add("A/a.flac")
    assert library.places("A/a.flac", "A/../A/a.flac", "A") == {"A/a.flac": "a"}
    (library.folder / "B").symlink_to("A")
    assert library.places("A", "B") == {"A/a.flac": "a"}


@pytest.mark.parametrize(
    ("template", "inputs", "way_out"),
    [
        ("{stem}.{ext}", ["a.flac", "b.flac"], "{track}/{stem}.{ext}"),
        ("{track} {stem}.{ext}", ["a.flac", "a.wav"], "{track}.{original_ext} {stem}.{ext}"),
        ("{stem}/{track}.{ext}", ["a.flac", "a.wav"], "{stem}/{track}.{original_ext}.{ext}"),
        ("{track}/{stem}.{ext}", ["A/1.flac", "B"], "{root}/{track}/{stem}.{ext}"),
        ("{track}/{stem}.{ext}", ["A/x/2.flac", "A/y/2.flac"], "{root}/{track}/{stem}.{ext}"),
        ("x/{track}/{stem}.{ext}", ["A"], "x/{dir}/{track}/{stem}.{ext}"),
        ("{root}/{track}/{stem}.{ext}", ["A/x/CD", "A/y/CD"], "{root}/{track} {id}/{stem}.{ext}"),
    ],
)
def test_a_template_under_which_songs_meet_is_refused_with_one_that_parts_them(
    library: Library, session: Session, template: str, inputs: list[str], way_out: str
) -> None:
    library.add("a.flac", "a.wav", "b.flac", "A/1.flac", "B/1.flac")
    library.add("A/x/2.flac", "A/y/2.flac", "A/x/CD/3.flac", "A/y/CD/3.flac")
    jobs = library.jobs(inputs, template)
    assert name_apart(jobs, session) == jobs
    with pytest.raises(UsageError) as error:
        check_collisions(jobs, session)
    assert f"`template={way_out!r}`" in str(error.value)
    check_collisions([replace(job, template=way_out) for job in jobs], session)


def test_all_songs_that_meet_are_named_but_not_thousands(
    library: Library, session: Session
) -> None:
    library.add(*(f"{number:02}.{ext}" for number in range(40) for ext in ("flac", "wav")))
    few = library.jobs([f"{number:02}.{ext}" for number in range(3) for ext in ("flac", "wav")])
    few = [replace(job, template="{track} {stem}.{ext}") for job in few]
    with pytest.raises(
        UsageError, match=r"^3 groups of songs would each write the same files: "
    ) as e:
        check_collisions(few, session)
    for number in range(3):
        flac, wav = (str(library.folder / f"{number:02}.{ext}") for ext in ("flac", "wav"))
        assert f"{flac} and {wav}" in str(e.value)
    many = [replace(job, template="{track} {stem}.{ext}") for job in library.jobs(["."])]
    with pytest.raises(UsageError, match=r"; and 28 more groups\. Use "):
        check_collisions(many, session)
    all_in_one = [replace(job, template="{stem}.{ext}") for job in library.jobs(["."])]
    with pytest.raises(UsageError, match=r"02\.wav and 74 more would all write .*drums\.wav"):
        check_collisions(all_in_one, session)


def test_a_file_cannot_be_where_a_folder_has_to_be(library: Library, session: Session) -> None:
    library.add("m/a.mp3", "m/a/drums.wav.mp3")
    jobs = library.jobs(["m"])
    outputs = plan_outputs(jobs[0], session).values()
    assert jobs[1].song.path.stem in {path.name for path in outputs}
    with pytest.raises(UsageError, match=r"a.mp3 and .*drums.wav.mp3 would both write "):
        check_collisions(jobs, session)
