"""Jobs and results as data: what is sent to another process is done there as it would be here."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemsplit.audio.formats import Encoding
from stemsplit.audio.stretch import Stretch
from stemsplit.batch.attempt import attempt
from stemsplit.batch.discover import discover
from stemsplit.batch.job import Job
from stemsplit.batch.local import run_jobs
from stemsplit.batch.results import JobResult
from stemsplit.batch.song import AlbumTrack, Song
from stemsplit.batch.template import DEFAULT_TEMPLATE
from stemsplit.engine.checks import Checks, SignalCheck
from stemsplit.engine.excerpt import Excerpt
from stemsplit.engine.plan import RunPlan
from stemsplit.engine.session import open_session
from stemsplit.errors import AudioReadError, UsageError
from stemsplit.json_data import JsonData
from tests.audio.songs import tone, write_sndfile
from tests.batch.batch_runs import tree

_Data = TypeVar("_Data", bound=JsonData)

TEXTS = st.text(max_size=6).filter(lambda text: text.isprintable())
# Names of files are bytes on Linux, and text everywhere else.
NAMES = st.binary(min_size=1, max_size=9).filter(lambda name: b"\0" not in name).map(os.fsdecode)
PATHS = (NAMES if sys.platform != "win32" else TEXTS).map(Path)
ENCODINGS = st.sampled_from(
    [
        Encoding(),
        Encoding(container="flac", subtype="16", dither=True),
        Encoding(container="mp3", bitrate="V0"),
        Encoding(container="m4a", codec="alac"),
        Encoding(container="stem.mp4", bitrate=256),
    ]
)
TRACKS = st.builds(
    AlbumTrack,
    sheet=PATHS,
    number=st.integers(1, 99),
    name=TEXTS,
    stretch=st.builds(Stretch, start=st.integers(0, 10**6), stop=st.none() | st.integers(0)),
    tags=st.dictionaries(TEXTS, st.lists(TEXTS, max_size=2).map(tuple), max_size=3),
    notes=st.lists(TEXTS, max_size=2).map(tuple),
)
SONGS = st.builds(Song, PATHS, TEXTS, track=st.none() | TRACKS)
JOBS = st.builds(
    Job,
    song=SONGS,
    output_dir=PATHS,
    template=TEXTS,
    encoding=ENCODINGS,
    sample_rate=st.sampled_from(["source", "model", 48000]),
    excerpt=st.builds(
        Excerpt,
        start_seconds=st.floats(0, 10) | st.integers(0, 10),
        end_seconds=st.none() | st.floats(11, 20),
        audio_track=st.integers(1, 9),
    ),
    clip=st.sampled_from(["common", "clamp"]),
    tags=st.booleans(),
    overwrite=st.booleans(),
)
NUMBERS = st.floats(-1e6, 1e6)
CHECKS = st.builds(
    Checks,
    stems=st.dictionaries(
        TEXTS, st.builds(SignalCheck, peak_dbfs=st.none() | NUMBERS, num_clipped=st.integers(0, 9))
    ),
    correlation=st.dictionaries(TEXTS, st.none() | NUMBERS),
    suspicions=st.lists(TEXTS, max_size=2).map(tuple),
)
RESULTS = st.builds(
    JobResult,
    input=PATHS,
    status=st.sampled_from(["done", "skipped", "failed"]),
    outputs=st.dictionaries(TEXTS, PATHS, max_size=3),
    duration_seconds=NUMBERS,
    seconds=NUMBERS,
    redone=st.booleans(),
    gain_db=NUMBERS,
    residual_db=st.none() | NUMBERS,
    warnings=st.lists(TEXTS, max_size=2).map(tuple),
    checks=st.none() | CHECKS,
    error=st.none() | TEXTS,
)


def sent(value: _Data) -> _Data:
    """What another process is given of the value."""
    return value.from_json(json.loads(json.dumps(value.to_json()).encode("ascii")))


@given(JOBS)
def test_a_job_arrives_as_it_was_sent(job: Job) -> None:
    arrived = sent(job)
    assert arrived == job
    assert arrived.song.input == job.song.input
    if job.song.track is not None:
        assert arrived.song.track is not None
        assert arrived.song.track.notes == job.song.track.notes


@given(RESULTS)
def test_a_result_arrives_as_it_was_sent(result: JobResult) -> None:
    assert sent(result) == result
    assert sent(result).as_json() == result.as_json()


def test_results_of_other_versions_are_understood() -> None:
    values = {"input": "song.wav", "status": "done", "speed": {"realtime_factor": 3}}
    assert JobResult.from_json(values) == JobResult(input=Path("song.wav"), status="done")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"song": {}}, "`Job.song.path` must be a text, there is none"),
        ({"clip": "loud"}, "`Job.clip` must be 'common' or"),
        ({"encoding": {"container": "exe"}}, "`Job.encoding.container` must be "),
        ({"encoding": {"dither": True, "subtype": "32f"}}, "Dither is for 16 and 24 bit"),
        ({"output_dir": None}, "`Job.output_dir` must be a text, got None"),
    ],
)
def test_a_job_that_makes_no_sense_says_where(change: dict[str, Any], message: str) -> None:
    job = Job(
        song=Song(Path("a.wav")),
        output_dir=Path("out"),
        template=DEFAULT_TEMPLATE,
        encoding=Encoding(),
        clip="common",
    )
    with pytest.raises(UsageError, match=message):
        Job.from_json({**job.to_json(), **change})


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    """A song whose name is no text, two tracks of a cue sheet, and a song that is not there."""
    names = [b"na\xefve.wav", b"album.wav"] if sys.platform == "linux" else [b"a.wav", b"album.wav"]
    for name in names:
        write_sndfile(tmp_path / "any.wav", tone(9_000)).rename(tmp_path / os.fsdecode(name))
    sheet = tmp_path / "album.cue"
    sheet.write_text(
        'FILE "album.wav" WAVE\n  TRACK 01 AUDIO\n    TITLE "First"\n    INDEX 01 00:00:00\n'
        "  TRACK 02 AUDIO\n    INDEX 01 00:00:08\n"
    )
    found = discover([tmp_path / os.fsdecode(names[0]), sheet, tmp_path / "gone.wav"])
    return [
        Job(
            song=song,
            output_dir=tmp_path / "out",
            template=DEFAULT_TEMPLATE,
            encoding=Encoding(),
            clip="common",
        )
        for song in found.songs
    ]


def test_what_was_sent_is_done_as_it_would_be_here(jobs: list[Job], tmp_path: Path) -> None:
    plan = RunPlan(model="spectral", devices="cpu")
    here = run_jobs(jobs, open_session(plan))
    away = [replace(job, output_dir=tmp_path / "away") for job in jobs]
    there = open_session(sent(plan))
    results = [attempt(sent(job), there) for job in away]
    assert [result.status for result in here] == ["done", "done", "done", "failed"]
    assert len(jobs) == len(here)
    for near, far in zip(here, results, strict=True):
        assert far is not None
        assert sent(far) == far
        assert (far.input, far.status, far.checks) == (near.input, near.status, near.checks)
        assert far.error == near.error
    assert tree(tmp_path / "out") == tree(tmp_path / "away")


def test_why_a_song_cannot_be_read_is_sent_as_well(jobs: list[Job]) -> None:
    problem = jobs[-1].song.problem
    arrived = sent(jobs[-1]).song.problem
    assert isinstance(problem, AudioReadError)
    assert isinstance(arrived, AudioReadError)
    assert (str(arrived), arrived.hint) == (str(problem), problem.hint)


def test_what_was_seen_of_a_file_is_looked_at_again_elsewhere(jobs: list[Job]) -> None:
    assert jobs[0].song.look is not None
    assert sent(jobs[0]).song.look is None
