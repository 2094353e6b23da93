"""From a folder to the tracks in it that have true stems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stemsplit.audio.file_names import display_path
from stemsplit.errors import AudioReadError, UsageError
from stemsplit.evaluate.dataset import Track
from stemsplit.evaluate.layout_files import AUDIO_NAME, Candidate
from stemsplit.evaluate.layout_names import Layout, Subset
from stemsplit.evaluate.layouts import FINDERS
from stemsplit.quoting import counted

_NUM_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """The chosen tracks of a data set, in order, and what the user should know about them.

    `subset` is None where the data set does not say which songs are for tests.
    """

    layout: Layout
    subset: Subset | None
    tracks: tuple[Track, ...]
    notes: tuple[str, ...] = ()


def find_dataset(
    root: Path, *, layout: Layout | None = None, subset: Subset = "test", limit: int | None = None
) -> Dataset:
    """The tracks of `subset` in a folder, or all where it is not divided; at most `limit` of them.

    The layout is told by what lies in the folder unless it is given. A .stem.mp4 is a data set of
    one track.

    Raises:
        UsageError: the folder does not hold such a data set, or not such a subset.
    """
    if not root.exists():
        raise UsageError(f"There is no file or folder {display_path(root)}.")
    for name in FINDERS if layout is None else [layout]:
        candidates = list(FINDERS[name](root))
        if candidates:
            return _chosen(root, name, candidates, subset, limit)
    kind = "data set" if layout is None else f"data set in the layout {layout}"
    raise UsageError(
        f"{display_path(root)} is not a {kind}: no track with its true stems was found in it.",
        hint="A track is a .stem.mp4, or a folder with mixture.wav and one file for each stem; "
        "MUSDB18, MUSDB18-HQ, DSD100, Slakh2100, MoisesDB, WHAM!, LibriMix, VoiceBank-DEMAND and "
        "the DNS Challenge are known too.",
    )


def _chosen(
    root: Path,
    layout: Layout,
    candidates: Sequence[Candidate],
    subset: Subset,
    limit: int | None,
) -> Dataset:
    notes = []
    divided = any(candidate.division is not None for candidate in candidates)
    wanted = [each for each in candidates if subset == "all" or each.division == subset]
    if not divided:
        wanted = list(candidates)
        if subset != "all":
            notes.append(
                f"{display_path(root)} is not divided into train and test: every track in it is "
                "taken."
            )
    elif not wanted:
        found = sorted({each.division or "neither" for each in candidates})
        raise UsageError(
            f"{display_path(root)} has no tracks for `subset={subset!r}`.",
            hint=f"It has: {', '.join(found)}.",
        )
    tracks: list[Track] = []
    for candidate in wanted:
        if limit is not None and len(tracks) >= limit:
            break
        try:
            track = candidate.read()
        except AudioReadError as error:
            notes.append(f"{error} The track is passed over.")
            continue
        if track is None:
            notes.append(f"{display_path(candidate.place)} has no stems, and is passed over.")
        else:
            tracks.append(track)
    if not tracks:
        raise UsageError(f"{display_path(root)} has no track that is complete.", hint=notes[-1])
    notes += _passed_over(root, candidates)
    return Dataset(
        layout=layout,
        subset=subset if divided else None,
        tracks=tuple(tracks),
        notes=tuple(notes),
    )


def _passed_over(root: Path, candidates: Sequence[Candidate]) -> list[str]:
    """A note on audio files beside the tracks that belong to none."""
    if root.is_file():
        return []
    places = {candidate.place for candidate in candidates}
    if root in places:
        return []
    names = [
        path.name
        for path in sorted(root.iterdir())
        if path not in places and path.is_file() and AUDIO_NAME.search(path.name)
    ]
    if not names:
        return []
    shown = ", ".join(display_path(name) for name in names[:_NUM_SHOWN])
    more = ", ..." if len(names) > _NUM_SHOWN else ""
    files = counted(len(names), "file without stems was", "files without stems were")
    return [f"{files} passed over: {shown}{more}."]
