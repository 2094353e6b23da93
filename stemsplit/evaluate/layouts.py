"""The layouts of published data sets, told apart by what lies in the folder.

    musdb18      {train,test}/SONG.stem.mp4, with the streams mixture, drums, bass, other, vocals;
                 or such files without a division
    musdb18-hq   {train,test}/SONG/{mixture,drums,bass,other,vocals}.wav
    dsd100       Mixtures/{Dev,Test}/SONG/mixture.wav, Sources/{Dev,Test}/SONG/STEM.wav
    slakh2100    {train,validation,test}/TRACK/{mix.flac,metadata.yaml,stems/S00.flac ...}
    moisesdb     .../TRACK/{data.json,STEM/RECORDING.wav}; the mixture is the sum
    folder       .../SONG/{mixture,STEM,STEM ...}.{wav,flac,mp3 ...}

What names in such files lead to is one file in a known folder: no path is built from their text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stemsplit.audio.file_names import display_path
from stemsplit.audio.write.stem_layout import MASTER, STEMS
from stemsplit.checkpoints.plain_data import parse_json, parse_yaml
from stemsplit.errors import AudioReadError
from stemsplit.evaluate.dataset import Recording, Track
from stemsplit.evaluate.layout_names import Layout
from stemsplit.files import read_regular

MUSDB_FAMILY = ("musdb18", "musdb18-hq", "dsd100")
"""They share songs: DSD100's are 100 of the 150 of MUSDB18, divided in another way."""

AUDIO_NAME = re.compile(
    r"\.(aac|aiff?|ape|caf|flac|m4a|mp[23]|og[ag]|opus|w64|wave?|wma|wv)$", re.I
)
_STEM_FILE = re.compile(r"\.stem\.(mp4|m4a)$", re.I)
_DIVISIONS = ("test", "train", "validation", "omitted")
_MAX_TEXT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """A track that was found, and the part of the data set it is in (None: undivided).

    `read` gives the track, None where something is missing. It raises AudioReadError where files
    contradict each other.
    """

    division: str | None
    place: Path
    read: Callable[[], Track | None]


def find_musdb18(root: Path) -> Iterator[Candidate]:
    flat = [root] if root.is_file() else _files(root)
    places = [
        ("test", _files(root / "test")),
        ("train", _files(root / "train")),
        (_division(root, root / "song"), flat),
    ]
    for division, paths in places:
        for path in paths:
            if _STEM_FILE.search(path.name):
                yield Candidate(division, path, partial(_stem_file, path))


def find_musdb18_hq(root: Path) -> Iterator[Candidate]:
    candidates = [candidate for candidate in find_folders(root) if candidate.division is not None]
    if any(map(_has_the_stems_of_musdb, candidates)):
        yield from candidates


def find_dsd100(root: Path) -> Iterator[Candidate]:
    for name, division in (("Test", "test"), ("Dev", "train")):
        for folder in _folders(root / "Mixtures" / name):
            sources = root / "Sources" / name / folder.name
            yield Candidate(division, folder, partial(_song, folder.name, folder, sources))


def find_slakh2100(root: Path) -> Iterator[Candidate]:
    for folder in _walk(root):
        if (folder / "metadata.yaml").is_file() and (folder / "stems").is_dir():
            yield Candidate(_division(root, folder), folder, partial(_slakh_track, folder))


def find_moisesdb(root: Path) -> Iterator[Candidate]:
    for folder in _walk(root):
        if (folder / "data.json").is_file() and _folders(folder):
            yield Candidate(None, folder, partial(_moises_track, folder))


def find_folders(root: Path) -> Iterator[Candidate]:
    for folder in _walk(root):
        if _named(_files(folder), MASTER):
            read = partial(_song, _name(root, folder), folder, folder)
            yield Candidate(_division(root, folder), folder, read)


FINDERS: Mapping[Layout, Callable[[Path], Iterator[Candidate]]] = MappingProxyType(
    {
        "musdb18": find_musdb18,
        "dsd100": find_dsd100,
        "slakh2100": find_slakh2100,
        "moisesdb": find_moisesdb,
        "musdb18-hq": find_musdb18_hq,
        "folder": find_folders,
    }
)
"""In the order in which they are tried: the last ones are the least particular."""


def _stem_file(path: Path) -> Track:
    return Track(
        name=_STEM_FILE.sub("", path.name),
        mixture=Recording(path, 0),
        sources={stem: (Recording(path, index),) for index, stem in enumerate(STEMS, start=1)},
    )


def _song(name: str, folder: Path, stem_folder: Path) -> Track | None:
    """A track with the mixture in `folder` and a file for each stem in `stem_folder`, if any."""
    mixture = _named(_files(folder), MASTER)
    sources: dict[str, tuple[Recording, ...]] = {}
    for path in _files(stem_folder):
        stem = path.stem.lower()
        if stem == MASTER or not AUDIO_NAME.search(path.name):
            continue
        if stem in sources:
            raise AudioReadError(
                f"{display_path(stem_folder)} holds two files for the stem {stem}.",
                hint="Keep one of them.",
            )
        sources[stem] = (Recording(path),)
    if len(sources) > 2:
        sources.pop("accompaniment", None)  # the sum of the others, that some tools leave there
    if mixture is None or not sources:
        return None
    return Track(name=name, mixture=Recording(mixture), sources=sources)


def _has_the_stems_of_musdb(candidate: Candidate) -> bool:
    try:
        track = candidate.read()
    except AudioReadError:
        return False
    return track is not None and set(track.stems) == set(STEMS)


def _slakh_track(folder: Path) -> Track | None:
    """Instruments as bass, drums and other; one that was not rendered has no file."""
    mixture = _named(_files(folder), "mix")
    stems = _parsed(folder / "metadata.yaml", parse_yaml).get("stems")
    if mixture is None or not isinstance(stems, dict):
        return None
    sources: dict[str, tuple[Recording, ...]] = {"bass": (), "drums": (), "other": ()}
    for path in _files(folder / "stems"):
        about = stems.get(path.stem)
        if isinstance(about, dict) and AUDIO_NAME.search(path.name):
            kind = str(about.get("inst_class")).lower()
            stem = "drums" if about.get("is_drum") is True else kind
            stem = stem if stem in sources else "other"
            sources[stem] = (*sources[stem], Recording(path))
    return Track(name=folder.name, mixture=Recording(mixture), sources=sources)


def _moises_track(folder: Path) -> Track | None:
    """Stems as drums, bass, other and vocals: everything else is `other`, percussion too."""
    if not isinstance(_parsed(folder / "data.json", parse_json).get("stems"), list):
        return None
    sources: dict[str, tuple[Recording, ...]] = dict.fromkeys(STEMS, ())
    for subfolder in _folders(folder):
        stem = subfolder.name.lower()
        stem = stem if stem in sources else "other"
        files = tuple(Recording(path) for path in _files(subfolder) if AUDIO_NAME.search(path.name))
        sources[stem] = (*sources[stem], *files)
    if not any(sources.values()):
        return None
    return Track(name=folder.name, mixture=None, sources=sources)


def _parsed(path: Path, parse: Callable[[bytes], Any]) -> dict[str, Any]:
    """The object in a small text file; nothing if there is none."""
    try:
        content = parse(read_regular(path, _MAX_TEXT_BYTES))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _named(files: Iterable[Path], name: str) -> Path | None:
    """The first audio file called `name`, whatever its format."""
    found = (path for path in files if path.stem.lower() == name and AUDIO_NAME.search(path.name))
    return next(found, None)


def _division(root: Path, place: Path) -> str | None:
    """The part of a data set that a track is in: the name of the folder below the root, or of it.

    Only if it is a name that data sets are divided by.
    """
    names = (*place.relative_to(root).parts[:-1][:1], root.resolve().name if place != root else "")
    return next((name.lower() for name in names if name.lower() in _DIVISIONS), None)


def _name(root: Path, folder: Path) -> str:
    """The way to a track's folder, without the part of the data set."""
    parts = folder.relative_to(root).parts
    divided = len(parts) > 1 and parts[0].lower() in _DIVISIONS
    return "/".join(parts[divided:]) or folder.name


def _walk(root: Path) -> Iterator[Path]:
    """The folder and all folders in it, without hidden ones, in order."""
    for name, subfolders, _ in os.walk(root):
        subfolders[:] = sorted(each for each in subfolders if not each.startswith("."))
        yield Path(name)


def _files(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_file()]


def _folders(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.is_dir()]


def _visible(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
