"""What becomes of the files of earlier runs.

The outputs of one run are a set, and those that are only chosen otherwise belong to it as well:
`--stems vocals` today and `--stems drums` tomorrow are two stems of one set (`set_of`). Where the
new outputs take the place of some of another set (of another bit depth, model or song), what is
left of that is of no use beside them and is removed. Sets that are not touched stay: those in
another format, say.

A file is removed or replaced only as long as it is ours, byte for byte. The order makes every
moment safe to be killed in: the new record knows all files, and which of them are to go (`stale`);
the outputs get their names; the stale files are removed; the record forgets what is gone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from stemsplit.audio.file_names import display_path
from stemsplit.audio.write.output_files import remove_folders
from stemsplit.batch.fingerprint import set_of
from stemsplit.batch.record_file import is_ours, read_record, write_record
from stemsplit.engine.record import TrackRecord, WrittenFile
from stemsplit.json_data import to_json
from stemsplit.quoting import listed


def earlier_outputs(
    record: TrackRecord | None, folder: Path, outputs: Sequence[WrittenFile], own_set: str
) -> tuple[WrittenFile, ...]:
    """What a new record with `outputs` has to remember of an old one: files that are still there.

    `own_set`: that of the new outputs. Files that are to be replaced are among them until they are,
    and `stale` are those that are to be removed.
    """
    if record is None:
        return ()
    found_set = set_of(record.fingerprint)
    files = [replace(written, set=found_set, gain_db=record.gain_db) for written in record.outputs]
    files += record.earlier  # until 0.5, sets were not told apart there
    new = {output.file: output.sha256 for output in outputs}
    replaced = [file for file in files if new.get(file.file, file.sha256) != file.sha256]
    torn = {file.set for file in replaced} - {None, own_set}
    known: set[tuple[str, str | None]] = set(new.items())
    kept = []
    for written in files:
        name = (written.file, written.sha256)
        if name not in known and is_ours(written, folder):
            known.add(name)
            is_stale = written.set in torn and written.file not in new
            kept.append(replace(written, stem=None, stale=is_stale))
    return tuple(kept)


def is_settled(record: TrackRecord | None) -> bool:
    """Whether nothing is left to be removed or forgotten, as after a run that was not killed."""
    if record is None:
        return True
    names = {output.file for output in record.outputs}
    return not any(written.stale or written.file in names for written in record.earlier)


@dataclass(frozen=True, slots=True)
class Settled:
    """The files of earlier runs, by their names in the record.

    Those `removed` were stale. The `fitting` are still there, and belong to the set of the outputs:
    with each, by how much it is louder than it would be beside them, in dB.
    """

    removed: tuple[str, ...] = ()
    fitting: Mapping[str, float] = field(default_factory=dict)

    def words(self) -> list[str]:
        """What became of them, in sentences."""
        sentences = []
        if self.removed:
            sentences.append(f"{_names(self.removed)} of the earlier stems: removed.")
        if self.fitting:
            sentences.append(f"{_names(self.fitting)} of an earlier run: still there.")
        levels = {name: louder for name, louder in self.fitting.items() if abs(louder) >= 0.005}
        if levels:
            apart = max(levels.values(), key=abs)
            sentences.append(
                f"They have another level than these, by {abs(apart):.2f} dB "
                f"({'louder' if apart > 0 else 'quieter'})."
            )
        return sentences


def settle(record_file: Path) -> Settled:
    """Removes the stale files, once the outputs have their names; the record forgets what is gone.

    Raises:
        AudioWriteError: the record cannot be written.
    """
    record, folder = read_record(record_file) or TrackRecord(), record_file.parent
    names = {output.file for output in record.outputs}
    removed, kept = [], []
    for written in record.earlier:
        is_due = written.stale or written.file in names
        if written.stale and _remove(written, folder):
            removed.append(written.file)
        elif not is_due or is_ours(written, folder):
            kept.append(written)
    if len(kept) < len(record.earlier):
        # What a newer version may have written beside it stays.
        write_record(record_file, {**record.raw, "earlier": to_json(kept)})
    own_set = set_of(record.fingerprint)
    fitting = {
        written.file: _apart(written.gain_db, record.gain_db)
        for written in kept
        if written.file not in names and written.set == own_set
    }
    return Settled(tuple(removed), fitting)


def _apart(gain_db: float | None, own_db: float | None) -> float:
    return 0.0 if gain_db is None or own_db is None else gain_db - own_db


def _remove(written: WrittenFile, folder: Path) -> bool:
    """Removes the file if it is ours, with the folders that it was the last in.

    False if it is not ours (any more), or cannot be removed.
    """
    path = folder / written.file
    # A link to a folder elsewhere may have come in between.
    if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(folder)):
        return False
    try:
        if not is_ours(written, folder):
            return False
        path.unlink()
    except OSError:
        return False
    parents = [folder / parent for parent in path.relative_to(folder).parents if parent.parts]
    remove_folders(parents[::-1])
    return True


def _names(files: Iterable[str]) -> str:
    return listed(map(display_path, files))
