from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stemsplit.batch.lock import TrackBusyError, has_lock_file, track_lock
from stemsplit.errors import AudioWriteError
from tests.audio.songs import tone, write_sndfile
from tests.batch.batch_runs import FORKS, run_and_tell, run_batch, tree


def test_a_lock_keeps_others_out_and_leaves_nothing(tmp_path: Path) -> None:
    record_file = tmp_path / "new" / "song" / "stemsplit.json"
    with track_lock(record_file):
        assert has_lock_file(record_file)
        with pytest.raises(TrackBusyError), track_lock(record_file):
            pass
        with track_lock(record_file.with_name("other.stemsplit.json")):
            pass
        assert has_lock_file(record_file)
    assert not has_lock_file(record_file)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_stays_if_something_is_in_it(tmp_path: Path) -> None:
    record_file = tmp_path / "new" / "stemsplit.json"
    with track_lock(record_file):
        record_file.write_text("{}")
    assert [path.name for path in record_file.parent.iterdir()] == ["stemsplit.json"]


def test_one_track_by_two_names_is_one_track(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    with (
        track_lock(tmp_path / "stemsplit.json"),
        pytest.raises(TrackBusyError),
        track_lock(tmp_path / "link" / "stemsplit.json"),
    ):
        pass


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with (
        pytest.raises(AudioWriteError, match=r"stemsplit\.json could not be written: Not a dir"),
        track_lock(tmp_path / "file" / "song" / "stemsplit.json"),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks processes")
def test_processes_on_one_folder_share_the_work(tmp_path: Path) -> None:
    songs = tmp_path / "songs"
    songs.mkdir()
    names = [f"{index}.wav" for index in range(8)]
    for name in names:
        write_sndfile(songs / name, tone(40_000))
    together, results = FORKS.Barrier(2), FORKS.Queue()
    processes = [
        FORKS.Process(target=run_and_tell, args=(songs, tmp_path / "out", together, results))
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    both = [results.get(timeout=100) for _ in processes]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for finished in both:
        assert sorted(name for name, _ in finished) == names
        assert {status for _, status in finished} <= {"done", "skipped"}
    done = [name for finished in both for name, status in finished if status == "done"]
    assert sorted(done) == names
    run_batch(songs, tmp_path / "undisturbed")
    assert tree(tmp_path / "out") == tree(tmp_path / "undisturbed")
