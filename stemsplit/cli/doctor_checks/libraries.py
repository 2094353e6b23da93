"""Whether each library still does what it is used for: by a small piece of real work.

A library can be there, load, and no longer take an argument that stemsplit gives it. So nothing
here is looked up; files are written, read back and compared, by the functions that songs take.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor

from stemsplit.audio.decode.decode_pyav import open_pyav
from stemsplit.audio.decode.decode_sndfile import open_sndfile
from stemsplit.audio.decode.decoded import Decoded
from stemsplit.audio.encode.encoders import Encoding
from stemsplit.audio.resample import resample_blocks
from stemsplit.audio.source import read_blocks
from stemsplit.audio.tags.song_tags import make_tags
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.audio.tags.tag_writer import write_tags
from stemsplit.checkpoints.contents import read_tensors
from stemsplit.checkpoints.plain_data import parse_yaml
from stemsplit.cli.doctor_checks.finding import Finding
from stemsplit.cli.doctor_checks.hub_trial import fetched_from_loopback
from stemsplit.cli.doctor_checks.tone import SAMPLE_RATE, TrialError, check_tone, tone, write_tone
from stemsplit.cli.doctor_checks.versions import declared_requirements
from stemsplit.errors import StemsplitError
from stemsplit.quoting import reason

TOPIC = "libraries"

_Opener = Callable[[Path], AbstractContextManager[Decoded | None]]


def check_libraries() -> Iterator[Finding]:
    """One finding for each library that reads or fetches for us."""
    return map(check_work, _TRIALS)


def check_work(name: str) -> Finding:
    """What became of the work that the library of this name was given."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            return Finding(topic=TOPIC, name=name, value=_TRIALS[name](Path(folder)))
    except Exception as error:  # a library that has changed raises whatever it likes
        kind = "" if isinstance(error, StemsplitError | TrialError) else f"{type(error).__name__}: "
        requirement = declared_requirements().get(name, name)
        return Finding(
            topic=TOPIC,
            name=name,
            value=f"does not do its work: {kind}{reason(error)}",
            status="problem",
            fix=f'pip install --force-reinstall "{requirement}"',
        )


def _try_soundfile(folder: Path) -> str:
    # It writes FLAC and MP3 for us too, which the stems' own trials try.
    return _decoded(folder, [Encoding(container="ogg")], open_sndfile)


def _try_av(folder: Path) -> str:
    wanted = [
        *(Encoding(container=each) for each in ("mp3", "flac", "opus", "wav")),
        *(Encoding(container="m4a", codec=codec) for codec in ("aac", "alac")),
    ]
    return _decoded(folder, wanted, open_pyav)


def _decoded(folder: Path, encodings: list[Encoding], opener: _Opener) -> str:
    for encoding in encodings:
        path = folder / f"{encoding.kind}.{encoding.extension}"
        write_tone(path, encoding)
        with opener(path) as decoded:
            if decoded is None:
                raise TrialError(f"it does not know {encoding.limits.title}")
            check_tone(decoded.blocks, encoding)
    return f"decodes {', '.join(encoding.limits.title for encoding in encodings)}"


def _try_torchaudio(folder: Path) -> str:
    del folder
    there = resample_blocks([tone()], from_rate=SAMPLE_RATE, to_rate=44100)
    back = resample_blocks(there, from_rate=44100, to_rate=SAMPLE_RATE)
    resampled = torch.cat(list(back), dim=-1)  # [C, T]
    inner = slice(1000, 3000)  # away from the ends, where the tone begins and stops
    error = (resampled[:, inner] - tone()[:, inner]).abs().max().item()
    if not error < 1e-3:
        raise TrialError(f"a tone came back from another rate {error:.2g} off")
    return "resamples"


def _try_mutagen(folder: Path) -> str:
    tags = make_tags({"title": ["Tëst"], "artist": ["a", "b"]}, [])
    encodings = [Encoding(container=each) for each in ("flac", "mp3", "wav", "ogg", "m4a")]
    for encoding in encodings:
        path = folder / f"tagged.{encoding.extension}"
        write_tone(path, encoding)
        write_tags(path, encoding.container, tags)
        if read_tags(path).text.get("title") != ("Tëst",):
            raise TrialError(f"a title did not come back from {encoding.limits.title}")
        check_tone(read_blocks(path), encoding)
    return f"tags {', '.join(encoding.limits.title for encoding in encodings)}"


def _try_safetensors(folder: Path) -> str:
    header = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    path = folder / "trial.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1.5, -2.0))
    _check_values(read_tensors(path)["x"])
    return "reads a checkpoint"


def _try_torch(folder: Path) -> str:
    for is_zip in (True, False):
        path = folder / "trial.pt"
        content = {"x": torch.tensor([1.5, -2.0])}
        torch.save(content, path, _use_new_zipfile_serialization=is_zip)
        _check_values(read_tensors(path)["x"])
    return "its checkpoints are read, both layouts"


def _check_values(tensor: Tensor) -> None:
    if tensor.tolist() != [1.5, -2.0]:
        raise TrialError("a checkpoint came back with other values")


def _try_yaml(folder: Path) -> str:
    del folder
    values = [1, 2.5, "x"]
    if parse_yaml(b"a: &a [1, 2.5, x]\nb: {c: *a}") != {"a": values, "b": {"c": values}}:
        raise TrialError("a configuration came back with other values")
    return "reads a configuration"


def _try_hub(folder: Path) -> str:
    fetched_from_loopback(folder)
    return "fetches, verifies and caches a file (from this machine)"


_TRIALS: Mapping[str, Callable[[Path], str]] = {
    "soundfile": _try_soundfile,
    "av": _try_av,
    "torchaudio": _try_torchaudio,
    "mutagen": _try_mutagen,
    "torch": _try_torch,
    "safetensors": _try_safetensors,
    "pyyaml": _try_yaml,
    "huggingface-hub": _try_hub,
}
