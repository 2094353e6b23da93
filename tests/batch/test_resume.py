"""One track again and again: what is skipped, what is replaced, and what is never touched."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from stemsplit.audio.encode.encoders import Encoding
from stemsplit.audio.write.output_files import new_temporary, track_key
from stemsplit.audio.write.writer import StemWriter
from stemsplit.batch.collisions import check_collisions
from stemsplit.batch.events import Busy, Event, Finished, Progressed, Staged
from stemsplit.batch.job import Job
from stemsplit.batch.local import run_jobs
from stemsplit.batch.lock import TrackBusyError, track_lock
from stemsplit.batch.results import JobResult
from stemsplit.batch.song import Song
from stemsplit.batch.template import DEFAULT_TEMPLATE
from stemsplit.batch.track import run_job
from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.chain import Chain
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.session import Session
from stemsplit.errors import AudioReadError, AudioWriteError, OutputExistsError, UsageError
from tests.audio.songs import tone, write_sndfile
from tests.engine.toy_models import GainModel, model_of


@pytest.fixture
def session() -> Session:
    return Session(
        chain=Chain(model=model_of(GainModel()), options=SeparationOptions()),
        runtime=choose_runtime(device="cpu"),
    )


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(
        song=Song(write_sndfile(tmp_path / "song.wav", tone(3_000))),
        output_dir=tmp_path / "out",
        template=DEFAULT_TEMPLATE,
        encoding=Encoding(),
        clip="common",
    )


@pytest.fixture
def folder(job: Job) -> Path:
    """Where the track's outputs go."""
    return job.output_dir / "toy" / "song"


def record_of(folder: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads((folder / "stemsplit.json").read_text())
    return record


def refuse(*_: object, **__: object) -> None:
    raise AssertionError("this must not be asked for")


def test_a_finished_track_is_neither_decoded_nor_read_again(
    job: Job, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = run_job(job, session)
    monkeypatch.setattr("stemsplit.engine.mixture.read_blocks", refuse)
    monkeypatch.setattr("stemsplit.batch.record_file.hash_file", refuse)
    monkeypatch.setattr("stemsplit.batch.track.track_lock", refuse)
    skipped = JobResult(
        input=job.song.path, status="skipped", outputs=done.outputs, checks=done.checks
    )
    assert run_job(job, session) == skipped


def test_a_copy_of_a_finished_track_is_finished(job: Job, session: Session, folder: Path) -> None:
    run_job(job, session)
    for path in folder.glob("*.wav"):
        os.utime(path, ns=(0, 0))
    assert run_job(job, session).status == "skipped"


@pytest.mark.parametrize("change", ["same size", "shorter", "gone", "record gone", "input"])
def test_what_is_not_finished_is_done_again(
    job: Job, session: Session, folder: Path, change: str
) -> None:
    assert not run_job(job, session).redone
    expected = {path.name: path.read_bytes() for path in folder.glob("*.wav")}
    bass = folder / "bass.wav"
    if change == "same size":
        bass.write_bytes(expected["bass.wav"][:-1] + b"x")
    elif change == "shorter":
        bass.write_bytes(expected["bass.wav"][:-1])
    elif change == "gone":
        bass.unlink()
    elif change == "record gone":
        (folder / "stemsplit.json").unlink()
    else:
        write_sndfile(job.song.path, tone(3_000) / 2)
    if change in ("gone", "input"):
        assert run_job(job, session).redone
        changed = bass.read_bytes() != expected["bass.wav"]
        assert changed == (change == "input")
        return
    # Not as we left them, or not known to be ours: the user's.
    with pytest.raises(OutputExistsError, match=r"\.wav already exists\. Use `overwrite`"):
        run_job(job, session)
    assert run_job(replace(job, overwrite=True), session).status == "done"
    assert {path.name: path.read_bytes() for path in folder.glob("*.wav")} == expected


def test_a_file_that_the_user_changes_meanwhile_is_kept(
    job: Job, session: Session, folder: Path
) -> None:
    run_job(job, session)
    (folder / "drums.wav").unlink()
    bass = folder / "bass.wav"
    with pytest.raises(OutputExistsError, match=r"bass\.wav already exists"):
        run_job(job, session, show=lambda _: bass.write_bytes(b"mine") and None)
    assert bass.read_bytes() == b"mine"
    assert not (folder / "drums.wav").exists()
    # What the others hold is still known.
    bass.unlink()
    assert run_job(job, session).redone


def test_a_failure_at_the_last_moment_leaves_nothing(
    job: Job, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_writer: StemWriter) -> None:
        raise AudioWriteError("the disk is gone")

    monkeypatch.setattr(StemWriter, "publish", fail)
    with pytest.raises(AudioWriteError, match="the disk is gone"):
        run_job(job, session)
    assert not job.output_dir.exists()


def test_a_failure_at_the_last_moment_keeps_what_was_there(
    job: Job, session: Session, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_writer: StemWriter) -> None:
        raise AudioWriteError("the disk is gone")

    run_job(job, session)
    before = {path.name: path.read_bytes() for path in folder.glob("*.wav")}
    smaller = replace(job, encoding=Encoding(subtype="16"))
    with monkeypatch.context() as patch:
        patch.setattr(StemWriter, "publish", fail)
        with pytest.raises(AudioWriteError, match="the disk is gone"):
            run_job(smaller, session)
    assert {path.name: path.read_bytes() for path in folder.glob("*.wav")} == before
    assert len(record_of(folder)["earlier"]) == 4  # type: ignore[arg-type]
    assert run_job(smaller, session).redone
    assert record_of(folder)["earlier"] == []


@pytest.mark.parametrize("change", ["grows", "is cut", "is emptied", "is replaced", "is gone"])
@pytest.mark.parametrize("when", ["in the scan", "later"])
def test_an_input_that_changes_meanwhile_is_not_recorded(
    job: Job, session: Session, change: str, when: str
) -> None:
    path = job.song.path
    content = path.read_bytes()

    def meddle(event: Event) -> None:
        if not isinstance(event, Staged if when == "in the scan" else Progressed):
            return
        if change == "is gone":
            path.unlink(missing_ok=True)
        elif change == "is replaced":
            other = path.with_name("other")
            other.write_bytes(content[: len(content) // 3])
            other.replace(path)
        else:
            kept = {"grows": len(content) + 4, "is cut": len(content) // 3, "is emptied": 0}[change]
            with path.open("r+b") as file:
                file.truncate(kept)

    with pytest.raises(AudioReadError, match="changed while it was being separated"):
        run_job(job, session, show=meddle)
    assert not job.output_dir.exists()


def test_only_leftovers_of_the_track_itself_are_removed(
    job: Job, session: Session, folder: Path
) -> None:
    folder.mkdir(parents=True)
    key = track_key(folder / "stemsplit.json")
    ours, others = new_temporary(folder, key), new_temporary(folder, "0123456789abcdef")
    for part in (ours, others):
        part.write_bytes(b"half a stem")
    run_job(job, session)
    assert not ours.exists()
    assert others.exists()


def test_a_track_that_another_process_works_on_comes_last(
    job: Job, session: Session, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second = replace(job, song=Song(write_sndfile(tmp_path / "second.wav", tone(2_000))))
    happened: list[Event] = []
    lock = track_lock(folder / "stemsplit.json")
    lock.__enter__()
    with pytest.raises(TrackBusyError):
        run_job(job, session)
    naps = iter([lambda: None, lambda: lock.__exit__(None, None, None)])
    monkeypatch.setattr("stemsplit.batch.local.time.sleep", lambda _: next(naps)())
    results = run_jobs([job, second], session, happened.append)
    assert [(result.input.name, result.status) for result in results] == [
        ("second.wav", "done"),
        ("song.wav", "done"),
    ]
    assert [event.job for event in happened if isinstance(event, Busy)] == [job]
    assert [event.job for event in happened if isinstance(event, Finished)] == [second, job]


def test_tracks_that_would_share_a_record_are_a_collision(
    job: Job, session: Session, tmp_path: Path
) -> None:
    (tmp_path / "x").mkdir()
    other = write_sndfile(tmp_path / "x" / "song.wav", tone(9))
    songs = [Song(job.song.path, "a"), Song(other, "b")]
    template = "{track}/{stem}/{dir}.{ext}"
    jobs = [replace(job, song=song, template=template) for song in songs]
    with pytest.raises(UsageError, match=r"would both write .*stemsplit\.json"):
        check_collisions(jobs, session)
    check_collisions([replace(job, template=DEFAULT_TEMPLATE) for job in jobs], session)


def test_an_output_that_leads_to_an_input_is_a_collision(
    job: Job, session: Session, tmp_path: Path
) -> None:
    job.output_dir.symlink_to(tmp_path, target_is_directory=True)
    song = Song(write_sndfile(tmp_path / "bass.wav", tone(9)))
    with pytest.raises(UsageError, match=r"bass\.wav is to be written, and is an input"):
        check_collisions([replace(job, song=song, template="{stem}.{ext}")], session)
