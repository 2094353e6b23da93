"""What becomes of the files of earlier runs.

The outputs of one run are a set. Outputs that are only chosen otherwise belong to it as well:
`--stems vocals` today and `--stems drums` tomorrow are two stems of one set. Where the new outputs
take the place of some of another set (of another bit depth, model or song), what is left of that is
of no use beside them and is removed. Sets that are not touched stay: those in another format, say.

A file is removed or replaced only as long as it is ours, byte for byte. The order makes every
moment safe to be killed in: the new record knows all files, and which of them are to go (`stale`);
the outputs get their names; the stale files are removed; the record forgets what is gone.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemsplit.audio.info import display_path
from stemsplit.audio.place import remove_folders
from stemsplit.batch.fingerprint import Change
from stemsplit.batch.outputs import Entry
from stemsplit.batch.record import (
    earlier_entries,
    is_ours,
    output_entries,
    read_record,
    write_record,
)
from stemsplit.quoting import listed

_OWN_SET = 0
"""The set of a record's outputs. Others are counted back; until 0.5 they were not told apart."""


def earlier_outputs(
    record: Mapping[str, Any] | None,
    folder: Path,
    outputs: Sequence[Entry],
    changes: Collection[Change] = (),
) -> list[dict[str, Any]]:
    """What a new record with `outputs` has to remember of an old one: files that are still there.

    `changes`: in what the new outputs differ from those of `record`. Files that are to be replaced
    are among the entries until they are, and `stale` are those that are to be removed.
    """
    record = record or {}
    age = 0 if all(change.is_choice_of_outputs for change in changes) else 1
    entries = [{**entry, "set": _OWN_SET} for entry in output_entries(record)]
    entries += earlier_entries(record)
    for entry in entries:
        if isinstance(entry.get("set"), int):
            entry["set"] += age
    new = {output["file"]: output["sha256"] for output in outputs}
    torn = {
        entry.get("set")
        for entry in entries
        if entry["file"] in new and entry.get("sha256") != new[entry["file"]]
    } - {None, _OWN_SET}
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
    keys = ("file", "sha256", "bytes", "prefixes", "set")
    kept = {key: entry[key] for key in keys if key in entry}
    return {**kept, "stale": True} if stale else kept


def is_settled(record: Mapping[str, Any] | None) -> bool:
    """Whether nothing is left to be removed or forgotten, as after a run that was not killed."""
    names = {entry["file"] for entry in output_entries(record or {})}
    return not any(
        entry.get("stale") or entry["file"] in names for entry in earlier_entries(record or {})
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """The files of earlier runs, by their names in the record.

    Those `removed` were stale. Of those that are still there, the `fitting` belong to the set of
    the new outputs, the `others` to sets of their own.
    """

    removed: tuple[str, ...] = ()
    fitting: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def words(self, louder_db: float = 0.0) -> list[str]:
        """What became of them, in sentences. `louder_db`: how much louder the fitting ones are."""
        sentences = []
        if self.removed:
            sentences.append(f"{_names(self.removed)} of the earlier stems: removed.")
        if self.fitting:
            level = ""
            if abs(louder_db) >= 0.005:
                relation = "louder" if louder_db > 0 else "quieter"
                level = f", {abs(louder_db):.2f} dB {relation} than they would be now"
            sentences.append(f"{_names(self.fitting)} of an earlier run: still there{level}.")
        if self.others:
            sentences.append(f"{_names(self.others)} of an earlier run: still there.")
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
    left = [entry for entry in kept if entry["file"] not in names]
    return Settled(
        removed=tuple(removed),
        fitting=tuple(each["file"] for each in left if each.get("set") == _OWN_SET),
        others=tuple(each["file"] for each in left if each.get("set") != _OWN_SET),
    )


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


def _names(files: Sequence[str]) -> str:
    return listed(map(display_path, files))
