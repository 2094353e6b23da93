"""Several tracks at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from stemsplit.audio.encode.encoders import Encoding, read_spool
from stemsplit.batch.events import Event, Finished, Progressed, Staged, Started
from stemsplit.batch.job import Job
from stemsplit.batch.local import run_jobs, tracks_at_once
from stemsplit.batch.results import JobResult
from stemsplit.batch.song import Song
from stemsplit.batch.template import DEFAULT_TEMPLATE
from stemsplit.batch.workers import Notify, Workers
from stemsplit.device.batches import BatchLimit
from stemsplit.device.cancel import Cancellation, Check
from stemsplit.device.queue import DeviceQueue
from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.chain import Chain
from stemsplit.engine.mixture import Mixture
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.separate import Progress
from stemsplit.engine.session import Session
from stemsplit.models.spec import Model
from tests.audio.songs import tone, write_sndfile
from tests.batch.batch_runs import tree
from tests.engine.toy_models import GainModel, model_of

WAIT_SECONDS = 60
CPU = torch.device("cpu")
LENGTHS = (9_000, 2_000, 3_000, 500)


def session_of(model: Model) -> Session:
    return Session(
        chain=Chain(model=model_of(model), options=SeparationOptions()),
        # As on a GPU: on a CPU one track comes after the other.
        runtime=replace(
            choose_runtime(device="cpu"), queue=DeviceQueue(CPU, BatchLimit(CPU), threaded=True)
        ),
    )


@pytest.fixture(autouse=True)
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stemsplit.batch.local.tracks_at_once", lambda *_: 2)


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    return [
        Job(
            song=Song(write_sndfile(tmp_path / f"{number}.wav", tone(length))),
            output_dir=tmp_path / "out",
            template=DEFAULT_TEMPLATE,
            encoding=Encoding(),
            clip="common",
        )
        for number, length in enumerate(LENGTHS)
    ]


def track_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "stemsplit-track"]


def test_results_come_in_order_and_are_those_of_each_song_alone(
    jobs: list[Job], tmp_path: Path
) -> None:
    results = run_jobs(jobs, session_of(GainModel()))
    assert [result.input for result in results] == [job.song.path for job in jobs]
    assert {result.status for result in results} == {"done"}
    for job in jobs:
        (alone,) = run_jobs([replace(job, output_dir=tmp_path / "alone")], session_of(GainModel()))
        assert alone.status == "done"
    assert tree(tmp_path / "out") == tree(tmp_path / "alone")
    assert not track_threads()


def test_the_second_song_is_begun_before_the_first_one_is_done(jobs: list[Job]) -> None:
    class Patient(GainModel):
        """Waits with the first chunk until another song was begun."""

        def __call__(self, mixture: Tensor) -> Tensor:
            assert begun.wait(WAIT_SECONDS)
            return super().__call__(mixture)

    begun = threading.Event()
    started: list[Path] = []

    def show(event: Event) -> None:
        assert threading.current_thread() is threading.main_thread()
        if isinstance(event, Started):
            started.append(event.job.song.path)
            if len(started) == 2:
                begun.set()

    results = run_jobs(jobs, session_of(Patient()), show)
    assert {result.status for result in results} == {"done"}
    assert sorted(started) == [job.song.path for job in jobs]


def test_progress_says_of_which_song_it_is(jobs: list[Job]) -> None:
    seen: dict[Path, list[Progress]] = {job.song.path: [] for job in jobs}

    def show(event: Event) -> None:
        if isinstance(event, Progressed):
            seen[event.job.song.path].append(event.progress)

    run_jobs(jobs, session_of(GainModel()), show)
    for progress in seen.values():
        total = progress[-1].num_chunks
        assert [(each.num_done, each.num_chunks) for each in progress] == [
            (number, total) for number in range(1, total + 1)
        ]


def test_each_song_is_scanned_before_its_chunks_and_written_after_them(jobs: list[Job]) -> None:
    heard: dict[Path, list[str]] = {job.song.path: [] for job in jobs}

    def show(event: Event) -> None:
        if isinstance(event, Staged):
            assert event.stage.name == event.job.song.path.name
            heard[event.job.song.path].append(event.stage.kind)
        elif isinstance(event, Progressed):
            heard[event.job.song.path].append("chunk")

    run_jobs(jobs, session_of(GainModel()), show)
    for kinds in heard.values():
        assert list(dict.fromkeys(kinds)) == ["scanning", "chunk", "writing"]
        assert kinds == sorted(kinds, key=["scanning", "chunk", "writing"].index)


def test_a_song_that_fails_stops_no_other(jobs: list[Job]) -> None:
    jobs[1].song.path.write_text("no music")

    class Picky(GainModel):
        def __call__(self, mixture: Tensor) -> Tensor:
            if mixture.shape[-1] == LENGTHS[3]:
                raise ValueError("not that one")
            return super().__call__(mixture)

    results = run_jobs(jobs, session_of(Picky()))
    assert [result.status for result in results] == ["done", "failed", "done", "failed"]
    assert "unexpected ValueError: not that one" in str(results[3].error)


class Slow(GainModel):
    """Takes its time, so that most of a song of `LONG` samples is left when it is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.called = threading.Event()

    def __call__(self, mixture: Tensor) -> Tensor:
        self.called.set()
        time.sleep(0.02)
        return super().__call__(mixture)


LONG = 200_000
NUM_CHUNKS = LONG // 750
NUM_PIECES = 200


def lengthen(jobs: list[Job], *lengths: int) -> list[Job]:
    return [
        replace(job, song=Song(write_sndfile(job.song.path, tone(length))))
        for job, length in zip(jobs, lengths, strict=True)
    ]


def test_left_early_it_stops_everything_and_leaves_nothing(jobs: list[Job]) -> None:
    model = Slow()

    def stop(event: Event) -> None:
        if isinstance(event, Started) and model.called.wait(WAIT_SECONDS):
            raise KeyboardInterrupt

    output = jobs[0].output_dir
    jobs = lengthen(jobs, LONG, LONG, LONG, LONG)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, session_of(model), stop)
    assert not track_threads()
    assert not output.exists()
    assert len(model.lengths) < NUM_CHUNKS / 2


def test_stopped_after_a_result_it_keeps_that_one(jobs: list[Job]) -> None:
    class SlowAfterTheFirstSong(Slow):
        def __call__(self, mixture: Tensor) -> Tensor:
            if mixture.shape[-1] == 500:
                self.called.set()
                return GainModel.__call__(self, mixture)
            self.called.wait(WAIT_SECONDS)
            return super().__call__(mixture)

    model = SlowAfterTheFirstSong()
    jobs = lengthen(jobs, 500, LONG, LONG, LONG)
    finished: list[JobResult] = []

    def stop_then(event: Event) -> None:
        if isinstance(event, Finished):
            finished.append(event.result)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, session_of(model), stop_then)
    (first,) = finished
    assert first.status == "done"
    assert not track_threads()
    left = [path.name for path in (jobs[0].output_dir / "toy").iterdir()]
    assert left == ["0"]
    assert all(path.exists() for path in first.outputs.values())
    assert len(model.lengths) < NUM_CHUNKS / 2


@pytest.mark.parametrize("stage", ["scanning", "writing"])
def test_a_song_stops_before_its_first_chunk_and_after_its_last(
    jobs: list[Job], stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[Tensor] = []

    def slowly(blocks: Iterator[Tensor]) -> Iterator[Tensor]:
        for block in blocks:
            for piece in torch.split(block, LONG // NUM_PIECES, dim=-1):
                time.sleep(0.02)
                pieces.append(piece)
                yield piece

    if stage == "scanning":
        watched = Mixture.watched

        def tedious(mixture: Mixture, check: Check) -> Mixture:
            slow = replace(mixture, open_blocks=lambda: slowly(mixture.open_blocks()))
            return watched(slow, check)

        monkeypatch.setattr(Mixture, "watched", tedious)
    else:
        monkeypatch.setattr(
            "stemsplit.audio.write.stem_stream.read_spool", lambda *each: slowly(read_spool(*each))
        )

    def stop(event: Event) -> None:
        if isinstance(event, Staged) and event.stage.kind == stage:
            raise KeyboardInterrupt

    output = jobs[0].output_dir
    jobs = lengthen(jobs, LONG, LONG, LONG, LONG)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, session_of(GainModel()), stop)
    assert not track_threads()
    assert not output.exists()
    assert len(pieces) < NUM_PIECES / 2


def test_devices_share_the_songs(jobs: list[Job], tmp_path: Path) -> None:
    """Both have to be at work at once for either of them to go on."""
    meeting = threading.Barrier(2)

    class Meets(GainModel):
        met = False

        def __call__(self, mixture: Tensor) -> Tensor:
            if not self.met:
                meeting.wait(WAIT_SECONDS)
                self.met = True
            return super().__call__(mixture)

    models = Meets(), Meets()
    first, second = map(session_of, models)
    both = replace(first, others=((second.chain, second.runtime),))
    results = run_jobs(jobs, both)
    assert {result.status for result in results} == {"done"}
    assert all(model.lengths for model in models)
    one = [replace(job, output_dir=tmp_path / "one") for job in jobs]
    run_jobs(one, session_of(GainModel()))
    assert tree(tmp_path / "out") == tree(tmp_path / "one")


def test_a_session_of_several_devices_is_one_for_each() -> None:
    first, second = session_of(GainModel()), session_of(GainModel())
    both = replace(first, others=((second.chain, second.runtime),))
    on_first, on_second = both.on_each_device()
    assert on_first.model is first.model
    assert on_second.model is second.model
    assert on_second.runtime is second.runtime


def test_a_cpu_has_one_track_and_a_gpu_one_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(GainModel())
    assert tracks_at_once(session, 64, None) == 1
    on_gpu = replace(session, runtime=replace(session.runtime, device=torch.device("cuda:0")))
    assert tracks_at_once(on_gpu, 64, None) == 64
    assert tracks_at_once(on_gpu, 1, 10**12) == 2
    monkeypatch.setattr(DeviceQueue, "num_in_flight", 3)
    chunk_bytes = 1000 * 2 * (1 + 4) * 4  # POLICY's samples, stereo, with four stems, in float32
    track_bytes = 2 * 3 * chunk_bytes
    assert tracks_at_once(on_gpu, 64, 2 * 10 * track_bytes) == 10


def test_an_error_of_a_worker_is_raised_where_one_listens() -> None:
    def fails(_tell: Notify, _cancellation: Cancellation) -> None:
        raise ValueError("a defect")

    def waits(_tell: Notify, cancellation: Cancellation) -> None:
        while True:
            cancellation.check()
            time.sleep(0.01)

    woken = []
    with (
        pytest.raises(ValueError, match="a defect"),
        Workers([fails, waits], wake=lambda: woken.append(True)) as workers,
    ):
        list(workers)
    assert woken
    assert not track_threads()
