"""The layouts of published data sets, told apart by what lies in the folder.

    musdb18      {train,test}/SONG.stem.mp4, with the streams mixture, drums, bass, other, vocals;
                 or such files without a division
    musdb18-hq   {train,test}/SONG/{mixture,drums,bass,other,vocals}.wav
    dsd100       Mixtures/{Dev,Test}/SONG/mixture.wav, Sources/{Dev,Test}/SONG/STEM.wav
    slakh2100    {train,validation,test}/TRACK/{mix.flac,metadata.yaml,stems/S00.flac ...}
    moisesdb     .../TRACK/{data.json,STEM/RECORDING.wav}; the mixture is the sum
    folder       .../SONG/{mixture,STEM,STEM ...}.{wav,flac,mp3 ...}

Those of speech are in `speech_layouts`.

What names in such files lead to is one file in a known folder: no path is built from their text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from stemsplit.audio.file_names import display_path
from stemsplit.audio.write.stem_layout import MASTER, STEMS
from stemsplit.checkpoints.plain_data import parse_json, parse_yaml
from stemsplit.errors import AudioReadError
from stemsplit.evaluate.dataset import Recording, Track
from stemsplit.evaluate.layout_files import (
    AUDIO_NAME,
    Candidate,
    division_of,
    files_in,
    folders_in,
    name_of,
    named,
    walk,
)
from stemsplit.evaluate.layout_names import Layout
from stemsplit.evaluate.speech_layouts import SPEECH_FINDERS
from stemsplit.files import read_regular

MUSDB_FAMILY = ("musdb18", "musdb18-hq", "dsd100")
"""They share songs: DSD100's are 100 of the 150 of MUSDB18, divided in another way."""

_STEM_FILE = re.compile(r"\.stem\.(mp4|m4a)$", re.I)
_MAX_TEXT_BYTES = 1 << 20


def find_musdb18(root: Path) -> Iterator[Candidate]:
    flat = [root] if root.is_file() else files_in(root)
    places = [
        ("test", files_in(root / "test")),
        ("train", files_in(root / "train")),
        (division_of(root, root / "song"), flat),
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
        for folder in folders_in(root / "Mixtures" / name):
            sources = root / "Sources" / name / folder.name
            yield Candidate(division, folder, partial(_song, folder.name, folder, sources))


def find_slakh2100(root: Path) -> Iterator[Candidate]:
    for folder in walk(root):
        if (folder / "metadata.yaml").is_file() and (folder / "stems").is_dir():
            yield Candidate(division_of(root, folder), folder, partial(_slakh_track, folder))


def find_moisesdb(root: Path) -> Iterator[Candidate]:
    for folder in walk(root):
        if (folder / "data.json").is_file() and folders_in(folder):
            yield Candidate(None, folder, partial(_moises_track, folder))


def find_folders(root: Path) -> Iterator[Candidate]:
    for folder in walk(root):
        if named(files_in(folder), MASTER):
            read = partial(_song, name_of(root, folder), folder, folder)
            yield Candidate(division_of(root, folder), folder, read)


FINDERS: Mapping[Layout, Callable[[Path], Iterator[Candidate]]] = MappingProxyType(
    {
        **SPEECH_FINDERS,
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
    mixture = named(files_in(folder), MASTER)
    sources: dict[str, tuple[Recording, ...]] = {}
    for path in files_in(stem_folder):
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
    mixture = named(files_in(folder), "mix")
    stems = _parsed(folder / "metadata.yaml", parse_yaml).get("stems")
    if mixture is None or not isinstance(stems, dict):
        return None
    sources: dict[str, tuple[Recording, ...]] = {"bass": (), "drums": (), "other": ()}
    for path in files_in(folder / "stems"):
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
    for subfolder in folders_in(folder):
        stem = subfolder.name.lower()
        stem = stem if stem in sources else "other"
        files = tuple(
            Recording(path) for path in files_in(subfolder) if AUDIO_NAME.search(path.name)
        )
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
