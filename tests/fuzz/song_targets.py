"""Songs with tags, and whole runs of the command on them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from typer.main import get_command

from stemsplit.audio.tags.song_tags import FIELDS, Picture, make_tags
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.audio.tags.tag_writer import write_tags
from stemsplit.cli.app import app
from stemsplit.errors import AudioReadError
from tests.audio.songs import tone, write_pyav, write_sndfile
from tests.fuzz.target import Target

_PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
_TAGS = make_tags(
    {name: ["3" if "number" in name else "té\nxt", "more"] for name in FIELDS},
    [Picture("image/png", 3, _PNG), Picture("image/png", 4, _PNG)],
)
_WORDS = (
    *(b"ID3\x04\0\x80\0\0\x7f\x7f", b"APIC\0\xff\xff\xff", b"TXXX", b"TCON", b"COMM", b"CHAP"),
    *(b"covr", b"ilst", b"meta", b"----", b"data", b"\xa9nam", b"METADATA_BLOCK_PICTURE="),
    *(b"id3 ", b"ID3 ", b"LIST", b"APETAGEX", b"\xff\xfe", b"\xff\xfe\0\0", b"-->"),
)


def _tagged(
    container: Any, write: Callable[[Path], object] | None = None
) -> Callable[[Path], Sequence[bytes]]:
    """A short song in that container with every tag there is."""

    def make(folder: Path) -> list[bytes]:
        path = folder / f"seed.{container}"
        if write is None:
            write_sndfile(path, tone(2000))
        else:
            write(path)
        write_tags(path, container, _TAGS)
        return [path.read_bytes()]

    return make


def _write_m4a(path: Path) -> None:
    write_pyav(path, tone(2000), codec="aac", container="ipod")


_SEEDS = {
    "mp3": _tagged("mp3"),
    "flac": _tagged("flac"),
    "ogg": _tagged("ogg"),
    "m4a": _tagged("m4a", _write_m4a),
    "wav": _tagged("wav"),
}


def _copy_tags(path: Path) -> None:
    """Reads the tags and writes them into a stem of each kind."""
    tags = read_tags(path).titled(path.stem, "bass")
    output = path.parent.parent / "output"
    for container in ("wav", "flac", "m4a"):
        intact = output / f"intact.{container}"
        if not intact.exists():
            write = _write_m4a if container == "m4a" else None
            intact.write_bytes(_tagged(container, write)(output)[0])
        stem = output / f"stem.{container}"
        shutil.copyfile(intact, stem)
        assert write_tags(stem, container, tags)  # type: ignore[arg-type]
    if tags.warnings:
        raise AudioReadError(tags.warnings[0])


@cache
def _command() -> Any:
    # Built once: to build it, typer evaluates annotations, which looks like running foreign code.
    return get_command(app)


def _separate(path: Path) -> None:
    """Runs the command as a user would, with the built-in model."""
    output = path.parent.parent / "output"
    printed, said = StringIO(), StringIO()
    with redirect_stdout(printed), redirect_stderr(said):
        arguments = [
            str(path),
            "-m",
            "spectral",
            "-o",
            str(output),
            "--overwrite",
            "--stems",
            "bass",
        ]
        exit_code = _command().main(arguments, standalone_mode=False) or 0
    assert exit_code in (0, 1), said.getvalue()
    assert exit_code == ("Failed: " in said.getvalue())
    assert "nexpected" not in said.getvalue(), said.getvalue()
    assert len(said.getvalue().splitlines()) == said.getvalue().count("\n")
    assert not list(output.rglob(".stemsplit-*"))
    if exit_code:
        raise AudioReadError("The command refused the song.")


def _small_songs(folder: Path) -> list[bytes]:
    """One short song of each kind, with tags."""
    return [data for make in _SEEDS.values() for data in make(folder)]


SONG_TARGETS = {
    **{
        f"tags-{name}": Target(f".{name}", make, _copy_tags, _WORDS, weight=0.25)
        for name, make in _SEEDS.items()
    },
    "song": Target(".wav", _small_songs, _separate, _WORDS, weight=0.5),
}
