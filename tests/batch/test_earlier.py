"""Other options in the same place: what is replaced, what goes, what stays, and what is said."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stemsplit.audio.encode.encoders import Encoding
from stemsplit.batch.dry_run import plan_tracks
from stemsplit.batch.earlier import settle
from stemsplit.batch.job import Job
from stemsplit.batch.record_file import read_record, write_record
from stemsplit.batch.results import JobResult
from stemsplit.batch.song import Song
from stemsplit.batch.template import DEFAULT_TEMPLATE
from stemsplit.batch.track import run_job
from stemsplit.device.runtime import choose_runtime
from stemsplit.engine.chain import Chain
from stemsplit.engine.options import SeparationOptions
from stemsplit.engine.session import Session
from stemsplit.json_data import to_json
from tests.audio.songs import tone, write_sndfile
from tests.engine.toy_models import GainModel, model_of

pytestmark = pytest.mark.slow

FLOAT = Encoding(subtype="32f")
FLAC = Encoding(container="flac")
FOUR = ["bass", "drums", "other", "vocals"]


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
    return job.output_dir / "toy" / "song"


def session_for(**options: Any) -> Session:
    return Session(
        chain=Chain(model=model_of(GainModel()), options=SeparationOptions(**options)),
        runtime=choose_runtime(device="cpu"),
    )


def run(job: Job, **options: Any) -> JobResult:
    return run_job(job, session_for(**options))


def files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file()
    )


def wavs(*names: str) -> list[str]:
    return sorted([*(f"{name}.wav" for name in names), "stemsplit.json"])


def test_another_bit_depth_replaces_the_set_and_removes_what_is_left_of_it(
    job: Job, folder: Path
) -> None:
    run(replace(job, encoding=FLOAT), residual=True)
    assert files(folder) == wavs(*FOUR, "residual")
    result = run(job)
    assert result.warnings == (
        "Separated again: residual on -> off, bit depth 32f -> 24. residual.wav of the earlier "
        "stems: removed.",
    )
    assert files(folder) == wavs(*FOUR)
    record = read_record(folder / "stemsplit.json")
    assert record is not None
    assert (record.earlier, record.warnings) == ((), ())


def test_what_its_owner_has_changed_stays(job: Job, folder: Path) -> None:
    run(replace(job, encoding=FLOAT), residual=True)
    (folder / "residual.wav").write_bytes(b"mine")
    assert "residual.wav" not in str(run(job).warnings)
    assert (folder / "residual.wav").read_bytes() == b"mine"
    record = read_record(folder / "stemsplit.json")
    assert record is not None
    assert record.earlier == ()


def test_stems_that_are_only_chosen_otherwise_stay_beside_each_other(
    job: Job, folder: Path
) -> None:
    run(job, stems=("vocals",))
    result = run(job, stems=("drums",))
    assert result.warnings == (
        "Separated again: stems vocals -> drums. vocals.wav of an earlier run: still there.",
    )
    run(job, two_stems="vocals")
    run(job, residual=True)
    assert files(folder) == wavs(*FOUR, "no_vocals", "residual")
    # As one set they came, and as one set they go.
    result = run(replace(job, encoding=FLOAT), stems=("bass",))
    assert files(folder) == wavs("bass")
    assert result.warnings == (
        "Separated again: stems all -> bass, residual on -> off, bit depth 24 -> 32f. "
        "drums.wav, other.wav, vocals.wav, residual.wav, no_vocals.wav of the earlier stems: "
        "removed.",
    )


def test_stems_that_fit_but_for_their_level_say_so(job: Job, folder: Path) -> None:
    loud = write_sndfile(job.song.path, 4 * tone(3_000), subtype="FLOAT")
    job = replace(job, song=Song(loud))
    first = run(job, stems=("vocals", "drums"))
    assert first.gain_db == 0
    second = run(job, mixes=("all = drums + bass + other + vocals",))
    assert second.gain_db < -5
    assert second.warnings == (
        "Separated again: stems vocals, drums -> all, mixes none -> all = drums + bass + other + "
        "vocals. vocals.wav, drums.wav of an earlier run: still there. They have another level "
        f"than these, by {-second.gain_db:.2f} dB (louder).",
    )
    assert files(folder) == wavs("all", "drums", "vocals")


def test_a_set_that_is_not_touched_stays_whole(job: Job, folder: Path) -> None:
    run(job, residual=True)
    result = run(replace(job, encoding=FLAC))
    flacs = [f"{name}.flac" for name in FOUR]
    assert files(folder) == sorted([*flacs, *wavs(*FOUR, "residual")])
    assert result.warnings == ("Separated again: residual on -> off, format wav -> flac.",)
    # Of two sets the one goes that is touched.
    run(replace(job, encoding=FLOAT), stems=("bass",))
    assert files(folder) == sorted([*flacs, *wavs("bass")])
    # And the other one is still known as ours.
    run(replace(job, encoding=Encoding(container="flac", subtype="16")), stems=("bass",))
    assert files(folder) == ["bass.flac", *wavs("bass")]


def test_a_set_is_known_again_after_others(job: Job, folder: Path) -> None:
    """The 24 bit files are one set, though flac came in between, and though the gain differs."""
    write_sndfile(job.song.path, 4 * tone(3_000), subtype="FLOAT")
    run(job, mixes=("all = drums + bass + other + vocals",), stems=("drums", "vocals"))
    run(replace(job, encoding=FLAC), stems=("bass",))
    result = run(job, stems=("vocals",))
    assert files(folder) == sorted(["bass.flac", *wavs("all", "drums", "vocals")])
    assert (
        "drums.wav, all.wav of an earlier run: still there. They have another level than these, by "
        "6.02 dB (quieter)."
    ) in result.warnings[0]


def test_another_song_of_that_name_replaces_all_of_the_first_one(job: Job, folder: Path) -> None:
    run(job, residual=True)
    write_sndfile(job.song.path, tone(3_000) / 2)
    assert run(job).warnings == (
        "Separated again: the song has changed, residual on -> off. residual.wav of the earlier "
        "stems: removed.",
    )
    assert files(folder) == wavs(*FOUR)


def test_missing_stems_are_named(job: Job, folder: Path) -> None:
    run(job)
    (folder / "bass.wav").unlink()
    assert run(job).warnings == ("Separated again: not as the last run left it: bass.",)


def test_other_names_for_the_same_stems_are_a_second_copy(job: Job) -> None:
    by_model = replace(job, template="{track}/{stem} ({model}).{ext}")
    run(by_model, stems=("bass",))
    result = run(replace(job, template="{track}/{stem}.{ext}"), stems=("bass",))
    assert result.warnings == (
        "Separated again: other names for the files. bass (toy).wav of an earlier run: still "
        "there.",
    )
    assert files(job.output_dir / "song") == ["bass (toy).wav", "bass.wav", "stemsplit.json"]


def test_to_overwrite_needs_no_words(job: Job) -> None:
    run(job)
    assert run(replace(job, overwrite=True)).warnings == ()


def test_a_dry_run_says_why(job: Job) -> None:
    run(replace(job, encoding=FLOAT))
    (preview,) = plan_tracks([job], session_for())
    assert (preview.action, preview.reason) == ("redo", "bit depth 32f -> 24")
    assert preview.as_json()["reason"] == "bit depth 32f -> 24"


def test_folders_that_were_made_for_a_removed_stem_go_with_it(job: Job) -> None:
    by_stem = replace(job, template="{track}/{stem}/{model}.{ext}")
    run(replace(by_stem, encoding=FLOAT), residual=True)
    run(by_stem)
    names = sorted(path.name for path in (job.output_dir / "song").iterdir())
    assert names == sorted([*FOUR, "stemsplit.json"])


def test_a_record_of_0_4_does_not_say_which_files_were_one_set(job: Job, folder: Path) -> None:
    run(replace(job, encoding=FLAC))
    run(job)
    record = read_record(folder / "stemsplit.json")
    assert record is not None
    of_0_4 = {
        key: to_json([replace(file, prefixes=None, set=None) for file in files])
        for key, files in (("outputs", record.outputs), ("earlier", record.earlier))
    }
    write_record(folder / "stemsplit.json", {**record.raw, **of_0_4})
    run(replace(job, encoding=FLOAT), stems=("bass",))
    assert files(folder) == sorted([*(f"{name}.flac" for name in FOUR), *wavs("bass")])


@pytest.mark.parametrize(
    "junk", [{"set": []}, {"sha256": {}}, {"bytes": "1"}, {"prefixes": 3}, {"gain_db": "loud"}]
)
def test_a_record_with_junk_in_it_is_no_defect(job: Job, folder: Path, junk: Any) -> None:
    run(job)
    record = read_record(folder / "stemsplit.json")
    assert record is not None
    (folder / "old.wav").write_bytes(b"")
    earlier = [{"file": "old.wav", "sha256": "0", "bytes": 1, "set": "0", **junk}]
    fingerprint = {**record.fingerprint, "options": [], "encoding": {"clip": []}}
    write_record(
        folder / "stemsplit.json",
        {**record.raw, "earlier": earlier, "fingerprint": fingerprint},
    )
    assert run(job).status == "done"
    assert run(job).status == "skipped"


@pytest.mark.parametrize("file", ["../mine.wav", "/etc/hostname", "link/mine.wav", "..", "a\0b"])
def test_a_record_removes_nothing_outside_its_folder(
    job: Job, folder: Path, tmp_path: Path, file: str
) -> None:
    run(job)
    for elsewhere in (folder.parent, tmp_path / "elsewhere"):
        elsewhere.mkdir(exist_ok=True)
        (elsewhere / "mine.wav").write_bytes(b"")
    (folder / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    record = read_record(folder / "stemsplit.json")
    assert record is not None
    entry = {**record.raw["outputs"][0], "file": file, "set": "1", "stale": True}
    write_record(folder / "stemsplit.json", {**record.raw, "earlier": [entry]})
    assert settle(folder / "stemsplit.json").removed == ()
    assert (folder.parent / "mine.wav").exists()
    assert (tmp_path / "elsewhere" / "mine.wav").exists()


def test_nothing_is_removed_before_its_place_is_taken(
    job: Job, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fills up at the last moment leaves the old set whole."""
    run(replace(job, encoding=FLOAT), residual=True)
    before = {path: path.read_bytes() for path in folder.glob("*.wav")}

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("stemsplit.audio.write.writer.sync_file", fail)
        with pytest.raises(Exception, match="No space left"):
            run(job)
    assert {path: path.read_bytes() for path in folder.glob("*.wav")} == before
    assert run(job).status == "done"
    assert files(folder) == wavs(*FOUR)


# What a power cut leaves.


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks /proc for names")
@pytest.mark.parametrize("container", ["wav", "mp3", "stem.mp4"])
def test_all_that_lies_there_at_the_end_is_on_the_disk(
    job: Job, monkeypatch: pytest.MonkeyPatch, container: Any
) -> None:
    """Every file whole, and every folder after the last name in it."""
    fsync = os.fsync
    synced: dict[int, tuple[int, int]] = {}
    names: dict[int, list[str]] = {}

    def note(descriptor: int) -> None:
        fsync(descriptor)
        status = os.fstat(descriptor)
        synced[status.st_ino] = (status.st_size, status.st_mtime_ns)
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            names[status.st_ino] = os.listdir(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    job = replace(job, encoding=Encoding(container=container))
    for _ in range(2):
        run(replace(job, overwrite=True), stem_file=container == "stem.mp4")
        for path in [job.output_dir, *job.output_dir.rglob("*")]:
            status = path.stat()
            if path.is_file():
                assert synced[status.st_ino] == (status.st_size, status.st_mtime_ns), path
            else:
                visible = {name for name in names[status.st_ino] if not name.startswith(".")}
                assert visible == {each.name for each in path.iterdir()}


def cut(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "empty":
        path.write_bytes(b"")
    elif how == "zeros":
        path.write_bytes(bytes(len(content)))
    elif how == "half":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.write_bytes(content[:512])


@pytest.mark.parametrize("how", ["empty", "zeros", "half", "one block"])
@pytest.mark.parametrize("encoding", [Encoding(), FLAC, Encoding(container="mp3")])
def test_what_a_power_cut_took_is_made_again(
    job: Job, folder: Path, how: str, encoding: Encoding
) -> None:
    write_sndfile(job.song.path, tone(30_000))
    job = replace(job, encoding=encoding)
    run(job)
    expected = {path: path.read_bytes() for path in folder.glob("*.*") if path.suffix != ".json"}
    for path in expected:
        cut(path, how)
    left_over = folder / f".stemsplit-{'0' * 16}-00000000.part"
    left_over.write_bytes(b"of another track")
    (preview,) = plan_tracks([job], session_for())
    assert preview.action == "redo"
    result = run(job)
    assert (result.status, result.redone) == ("done", True)
    assert {path: path.read_bytes() for path in expected} == expected
    assert run(job).status == "skipped"
    assert left_over.exists()


@pytest.mark.parametrize("how", ["empty", "zeros"])
def test_a_power_cut_that_took_the_record_as_well(job: Job, folder: Path, how: str) -> None:
    run(job)
    for path in folder.iterdir():
        cut(path, how)
    (preview,) = plan_tracks([job], session_for())
    assert preview.action == "new"
    assert run(job).status == "done"
    assert run(job).status == "skipped"


@pytest.mark.parametrize("how", ["empty", "half"])
def test_other_options_after_a_power_cut(job: Job, folder: Path, how: str) -> None:
    write_sndfile(job.song.path, tone(30_000))
    run(replace(job, encoding=FLOAT), residual=True)
    for path in folder.glob("*.wav"):
        cut(path, how)
    assert run(job).status == "done"
    assert files(folder) == wavs(*FOUR)


@pytest.mark.parametrize("lost", ["record", "stems and record"])
def test_a_file_with_something_in_it_is_never_taken_for_one_that_was_cut(
    job: Job, folder: Path, lost: str
) -> None:
    run(job)
    cut(folder / "stemsplit.json", "empty")
    if lost == "stems and record":
        for name in FOUR[1:]:
            cut(folder / f"{name}.wav", "empty")
        (folder / "bass.wav").write_bytes(b"mine")
    with pytest.raises(Exception, match=r"\.wav already exists"):
        run(job)


def test_a_shorter_export_of_ours_is_its_owners(job: Job, folder: Path) -> None:
    run(job)
    bass = folder / "bass.wav"
    write_sndfile(bass, tone(1_500), subtype="PCM_24")
    before = bass.read_bytes()
    with pytest.raises(Exception, match=r"bass\.wav already exists"):
        run(job)
    assert bass.read_bytes() == before


def test_a_pipe_in_the_place_of_a_stem_waits_for_nobody(job: Job, folder: Path) -> None:
    run(job)
    (folder / "bass.wav").unlink()
    os.mkfifo(folder / "bass.wav")
    with pytest.raises(Exception, match=r"bass\.wav already exists"):
        run(job)


def test_parts_that_a_power_cut_left_are_removed(job: Job, folder: Path) -> None:
    """Neither the lock nor the record needs to be there for that."""
    from stemsplit.audio.write.output_files import new_temporary, track_key

    folder.mkdir(parents=True)
    part = new_temporary(folder, track_key(folder / "stemsplit.json"))
    part.write_bytes(b"")
    run(job)
    assert not part.exists()


def test_the_record_says_what_is_needed(job: Job, folder: Path) -> None:
    run(job)
    record = json.loads((folder / "stemsplit.json").read_text())
    (bass,) = (each for each in record["outputs"] if each["stem"] == "bass")
    num_bytes = (folder / "bass.wav").stat().st_size
    assert set(bass) == {"stem", "file", "sha256", "bytes", "prefixes"}
    assert len(bass["prefixes"].split()) == num_bytes.bit_length()
