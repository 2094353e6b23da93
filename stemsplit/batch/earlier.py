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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stemsplit.audio.file_names import display_path
from stemsplit.audio.write.output_files import remove_folders
from stemsplit.batch.fingerprint import set_of
from stemsplit.batch.record import (
    dict_at,
    earlier_entries,
    is_ours,
    output_entries,
    read_record,
    write_record,
)
from stemsplit.batch.written_files import Entry
from stemsplit.quoting import listed


def earlier_outputs(
    record: Mapping[str, Any] | None, folder: Path, outputs: Sequence[Entry], own_set: str
) -> list[dict[str, Any]]:
    """What a new record with `outputs` has to remember of an old one: files that are still there.

    `own_set`: that of the new outputs. Files that are to be replaced are among the entries until
    they are, and `stale` are those that are to be removed.
    """
    record = record or {}
    found_set = set_of(dict_at(record, "fingerprint"))
    entries = [
        {**entry, "set": found_set, "gain_db": record.get("gain_db")}
        for entry in output_entries(record)
    ]
    entries += earlier_entries(record)  # until 0.5, sets were not told apart there
    new = {output["file"]: output["sha256"] for output in outputs}
    torn = {
        entry.get("set")
        for entry in entries
        if entry["file"] in new and entry.get("sha256") != new[entry["file"]]
    } - {None, own_set}
    known = set(new.items())
    kept = []
    for entry in entries:
        name = (entry["file"], entry.get("sha256"))
        if name not in known and is_ours(entry, folder):
            known.add(name)
            is_stale = entry.get("set") in torn and entry["file"] not in new
            kept.append(_entry(entry, stale=is_stale))
    return kept


def _entry(entry: Mapping[str, Any], *, stale: bool) -> dict[str, Any]:
    keys = ("file", "sha256", "bytes", "prefixes", "set", "gain_db")
    kept = {key: entry[key] for key in keys if key in entry}
    return {**kept, "stale": True} if stale else kept


def is_settled(record: Mapping[str, Any] | None) -> bool:
    """Whether nothing is left to be removed or forgotten, as after a run that was not killed."""
    names = {entry["file"] for entry in output_entries(record or {})}
    return not any(
        entry.get("stale") or entry["file"] in names for entry in earlier_entries(record or {})
    )


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
    record, folder = read_record(record_file) or {}, record_file.parent
    names = {entry["file"] for entry in output_entries(record)}
    removed, kept = [], []
    for entry in earlier_entries(record):
        is_due = entry.get("stale") or entry["file"] in names
        if entry.get("stale") and _remove(entry, folder):
            removed.append(entry["file"])
        elif not is_due or is_ours(entry, folder):
            kept.append(entry)
    if kept != record.get("earlier", []):
        write_record(record_file, {**record, "earlier": kept})
    own_set, own_gain = set_of(dict_at(record, "fingerprint")), record.get("gain_db")
    fitting = {
        entry["file"]: _apart(entry.get("gain_db"), own_gain)
        for entry in kept
        if entry["file"] not in names and entry.get("set") == own_set
    }
    return Settled(tuple(removed), fitting)


def _apart(gain_db: object, own_db: object) -> float:
    if isinstance(gain_db, int | float) and isinstance(own_db, int | float):
        return gain_db - own_db
    return 0.0


def _remove(entry: Entry, folder: Path) -> bool:
    """Removes the file if it is ours, with the folders that it was the last in.

    False if it is not ours (any more), or cannot be removed.
    """
    path = folder / entry["file"]
    # A link to a folder elsewhere may have come in between.
    if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(folder)):
        return False
    try:
        if not is_ours(entry, folder):
            return False
        path.unlink()
    except OSError:
        return False
    parents = [folder / parent for parent in path.relative_to(folder).parents if parent.parts]
    remove_folders(parents[::-1])
    return True


def _names(files: Iterable[str]) -> str:
    return listed(map(display_path, files))
