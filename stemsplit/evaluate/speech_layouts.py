"""The layouts of published data sets of speech.

    wham              {tt,cv,tr}/{mix_clean,s1,s2}/NAME.wav, below wav8k/min or the like
    librimix          {test,dev,train-100 ...}/{mix_clean,s1,s2 ...}/NAME.wav, likewise
    wham-noisy        the same with mix_both: the speakers, and noise
    librimix-noisy
    wham-single       the same with mix_single: one speaker and noise, to be denoised
    librimix-single
    voicebank-demand  {noisy,clean}_{testset,trainset_28spk}_wav/NAME.wav
    dns-challenge     .../{noisy,clean}/..._fileid_N.wav

Where a data set has no files of its noise, the noise is what the speech leaves over of the mixture.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count, takewhile
from pathlib import Path
from types import MappingProxyType

from stemsplit.audio.file_names import display_path
from stemsplit.errors import UsageError
from stemsplit.evaluate.dataset import NOISE, SPEECH, Recording, Track
from stemsplit.evaluate.layout_files import AUDIO_NAME, Candidate, files_in, folders_in, walk
from stemsplit.evaluate.layout_names import Layout

_WHAM_PARTS = {"tt": "test", "cv": "validation", "tr": "train"}

_FILE_ID = re.compile(r"(fileid_\d+)$")
"""What a file of the DNS Challenge has in common with its pair."""

Finder = Callable[[Path], Iterator[Candidate]]


def find_mixed_speakers(root: Path, *, mixtures: str, of_wham: bool) -> Iterator[Candidate]:
    """Tracks of WHAM! or else LibriMix; `mixtures`: the folder with what is to be separated.

    Raises:
        UsageError: there are several versions of them, at several rates or of several lengths.
    """
    parts = [
        folder
        for folder in walk(root)
        if (folder / mixtures).is_dir()
        and (folder / "s1").is_dir()
        and (folder.resolve().name in _WHAM_PARTS) == of_wham
    ]
    versions = sorted({folder.parent for folder in parts})
    if len(versions) > 1:
        names = ", ".join(display_path(version) for version in versions)
        raise UsageError(
            f"{display_path(root)} holds the same mixtures several times: {names}.",
            hint="Name one of these folders.",
        )
    for folder in parts:
        own = folder.resolve().name
        division = _WHAM_PARTS.get(own, _division(own))
        for path in _audio(folder / mixtures):
            yield Candidate(division, path, partial(_speakers, folder, path))


def find_voicebank_demand(root: Path) -> Iterator[Candidate]:
    for noisy in folders_in(root):
        start, _, rest = noisy.name.partition("_")
        clean = noisy.with_name(f"clean_{rest}")
        if start == "noisy" and clean.is_dir():
            for path in _audio(noisy):
                read = partial(_track, path, {SPEECH: clean / path.name, NOISE: None})
                yield Candidate(_division(rest), path, read)


def find_dns_challenge(root: Path) -> Iterator[Candidate]:
    for folder in walk(root):
        if (folder / "noisy").is_dir() and (folder / "clean").is_dir():
            clean, noise = _by_file_id(folder / "clean"), _by_file_id(folder / "noise")
            inside = folder.relative_to(root)
            division = _division("/".join(part for part in inside.parts if "set" in part))
            for file_id, path in _by_file_id(folder / "noisy").items():
                name = (inside / file_id).as_posix()
                files = {SPEECH: clean.get(file_id), NOISE: noise.get(file_id)}
                yield Candidate(division, path, partial(_track, path, files, name))


SPEECH_FINDERS: Mapping[Layout, Finder] = MappingProxyType(
    {
        "wham": partial(find_mixed_speakers, mixtures="mix_clean", of_wham=True),
        "wham-noisy": partial(find_mixed_speakers, mixtures="mix_both", of_wham=True),
        "wham-single": partial(find_mixed_speakers, mixtures="mix_single", of_wham=True),
        "librimix": partial(find_mixed_speakers, mixtures="mix_clean", of_wham=False),
        "librimix-noisy": partial(find_mixed_speakers, mixtures="mix_both", of_wham=False),
        "librimix-single": partial(find_mixed_speakers, mixtures="mix_single", of_wham=False),
        "voicebank-demand": find_voicebank_demand,
        "dns-challenge": find_dns_challenge,
    }
)


def _speakers(folder: Path, mixture: Path) -> Track | None:
    """A mixture of LibriMix or WHAM!, with what its folder's name says is in it."""
    name, kind = mixture.name, mixture.parent.name
    if kind == "mix_single":
        return _track(mixture, {SPEECH: folder / "s1" / name, NOISE: folder / NOISE / name})
    numbers = takewhile(lambda number: (folder / f"s{number}").is_dir(), count(1))
    files: dict[str, Path | None] = {
        f"speaker{number}": folder / f"s{number}" / name for number in numbers
    }
    if kind == "mix_both":
        files[NOISE] = folder / NOISE / name
    return _track(mixture, files)


def _track(mixture: Path, files: Mapping[str, Path | None], name: str = "") -> Track | None:
    """A track of these files; None if one is not there. Noise may be missing: it is the rest."""
    sources = {
        stem: (Recording(path),)
        for stem, path in files.items()
        if path is not None and path.is_file()
    }
    missing = files.keys() - sources.keys()
    if missing - {NOISE}:
        return None
    return Track(
        name=name or mixture.stem,
        mixture=Recording(mixture),
        sources=sources,
        rest=NOISE if missing else None,
    )


def _by_file_id(folder: Path) -> dict[str, Path]:
    found = {path: _FILE_ID.search(path.stem) for path in _audio(folder)}
    return {match[1]: path for path, match in found.items() if match}


def _audio(folder: Path) -> list[Path]:
    return [path for path in files_in(folder) if AUDIO_NAME.search(path.name)]


def _division(name: str) -> str | None:
    """The part of a data set that a folder of this name is."""
    for start, division in (("test", "test"), ("dev", "validation"), ("train", "train")):
        if start in name:
            return division
    return None
