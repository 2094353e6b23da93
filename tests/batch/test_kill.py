"""SIGKILL at any moment: the next run leaves what an undisturbed run would have left."""

from __future__ import annotations

import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.audio.songs import tone, write_pyav, write_sndfile
from tests.batch.batch_runs import FORKS, run_batch, run_until_change, tree

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="forks processes"),
    pytest.mark.slow,
]

NUM_KILLS = 20


def write_songs(folder: Path) -> Path:
    (folder / "album").mkdir(parents=True)
    write_sndfile(folder / "a.wav", tone(20_000), subtype="PCM_24")
    write_sndfile(folder / "album" / "b.wav", tone(30_000), subtype="PCM_16")
    write_pyav(folder / "album" / "c.mp3", tone(20_000), codec="libmp3lame")
    write_pyav(folder / "d.m4a", tone(10_000), codec="aac")
    (folder / "broken.mp3").write_text("not music")
    return folder


def test_killed_twenty_times_at_random(tmp_path: Path) -> None:
    songs, output = write_songs(tmp_path / "songs"), tmp_path / "out"
    started = time.monotonic()
    run_batch(songs, tmp_path / "undisturbed")
    longest = time.monotonic() - started
    draws = random.Random(20)
    num_killed = 0
    while num_killed < NUM_KILLS:
        process = FORKS.Process(target=run_batch, args=(songs, output))
        process.start()
        process.join(draws.uniform(0, longest))
        process.kill()
        process.join()
        num_killed += process.exitcode == -signal.SIGKILL
        if process.exitcode == 0:  # it was through: from the start
            shutil.rmtree(output)
    statuses = [status for _, status in run_batch(songs, output)]
    assert len(statuses) == 5
    assert statuses.count("failed") == 1
    assert tree(output) == tree(tmp_path / "undisturbed")
    assert [status for _, status in run_batch(songs, output)].count("skipped") == 4


@pytest.mark.parametrize("start", ["nothing", "other options", "larger set", "damage"])
def test_killed_before_every_single_change_on_the_disk(tmp_path: Path, start: str) -> None:
    song = tmp_path / "songs" / "a.wav"
    song.parent.mkdir()
    write_sndfile(song, tone(2_000), subtype="PCM_24")
    output, undisturbed = tmp_path / "out", tmp_path / "undisturbed"

    def prepare(folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if start == "nothing":
            return
        is_other = start in ("other options", "larger set")
        run_batch(
            song.parent,
            folder,
            container="wav" if is_other else "flac",
            residual=start == "larger set",
        )
        if start == "damage":
            (folder / "toy" / "a" / "drums.out").unlink()

    prepare(undisturbed)
    run_batch(song.parent, undisturbed)
    expected = tree(undisturbed)
    number, exit_code = 0, -signal.SIGKILL
    while exit_code:
        number += 1
        prepare(output)
        process = FORKS.Process(target=run_until_change, args=(song.parent, output, "flac", number))
        process.start()
        process.join()
        exit_code = process.exitcode
        assert exit_code in (0, -signal.SIGKILL)
        assert [status for _, status in run_batch(song.parent, output)] in (["done"], ["skipped"])
        assert tree(output) == expected, f"killed before change {number}"
    # A lock, spools, parts, the record, the renames: each stem alone is opened several times.
    assert number > 20
