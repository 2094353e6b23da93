"""Files that are made to cost gigabytes or minutes: they cost neither, and the music is read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutagen.id3 import APIC, ID3, TIT2, TXXX

from stemsplit.audio import screening
from stemsplit.audio.screening import MaskedFile, screen
from stemsplit.audio.source import probe, read_blocks
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.audio.tags.tag_writer import write_tags
from tests.audio.hostile import FILES, Hostile, make_songs
from tests.audio.tagged import SONG, container_of, make_file

# A library that believes such a file takes 750 MiB and more.
LIMIT_BYTES = 400 << 20

# Two songs in one file; and a tag that is so long beside the music that ffmpeg takes it for some.
_LONGER = ("within.aac", "chained.ogg", "tag.mp3")

SCRIPT = """
import json, resource, sys
from pathlib import Path
import numpy as np
from stemsplit.audio.decode import decode_pyav as pyav
from stemsplit.audio.source import probe, read_blocks
from stemsplit.audio.tags.tag_reader import read_tags
from stemsplit.errors import AudioReadError

folder, limit = Path(sys.argv[1]), int(sys.argv[2])
for path in sorted(folder.glob("song.*")):  # all libraries are loaded
    read_tags(path), probe(path), sum(1 for _ in read_blocks(path))
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + limit, used + limit))
for path in sorted(folder.glob("hostile/*")):
    num_samples = error = None
    try:
        tags = read_tags(path)
        probe(path)
        num_samples = sum(block.shape[-1] for block in read_blocks(path))
    except AudioReadError as caught:
        error = str(caught)
    except BaseException as caught:
        error = "unexpected " + repr(caught)
    print(json.dumps([path.name, {"num_samples": num_samples, "error": error,
        "warnings": tags.warnings, "num_texts": len(tags.text)}]), flush=True)
"""


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an intact song of each kind."""
    folder = tmp_path_factory.mktemp("songs")
    make_songs(folder)
    return folder


@pytest.fixture(scope="module")
def outcomes(songs: Path) -> dict[str, dict[str, Any]]:
    """What came of each file in a process that may have little more memory than at its start."""
    if not sys.platform.startswith("linux"):
        pytest.skip("needs a limit to the address space")
    (songs / "hostile").mkdir()
    for name, file in FILES.items():
        intact = songs / (file.kind if "." in file.kind else f"song.{file.kind}")
        (songs / "hostile" / name).write_bytes(file.make(intact.read_bytes()))
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(songs), str(LIMIT_BYTES)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stderr == ""
    return dict(json.loads(line) for line in process.stdout.splitlines())


def num_samples_of(path: Path) -> int:
    return sum(block.shape[-1] for block in read_blocks(path))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_costs_little(
    songs: Path, outcomes: dict[str, dict[str, Any]], name: str
) -> None:
    file: Hostile = FILES[name]
    found = outcomes[name]
    if file.is_refused:
        assert re.search(file.says, found["error"])
        return
    assert found["error"] is None
    intact = num_samples_of(songs / (file.kind if "." in file.kind else f"song.{file.kind}"))
    if name in _LONGER:
        assert intact <= found["num_samples"] <= 2.1 * intact
    else:
        assert found["num_samples"] == intact
    if file.says:
        assert any(re.search(file.says, warning) for warning in found["warnings"])
        assert found["num_texts"] <= 1  # the name of the encoder is none
    else:
        assert found["warnings"] == []


@pytest.mark.parametrize("kind", ["wav", "aiff", "flac", "mp3", "ogg", "opus", "m4a", "wma", "wv"])
def test_what_people_have_is_read_as_it_is(tmp_path: Path, kind: str) -> None:
    path = make_file(tmp_path, kind)
    if kind not in ("wma", "wv"):
        write_tags(path, container_of(kind), SONG)
    screened = screen(path)
    assert screened.patches == ()
    assert screened.hidden == ()


@given(
    texts=st.lists(st.text(st.characters(codec="ascii"), min_size=1, max_size=3000), max_size=6),
    sizes=st.lists(st.integers(1, 3_000_000), max_size=2),
    version=st.sampled_from([3, 4]),
)
def test_ordinary_tags_are_never_hidden(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], sizes: list[int], version: int
) -> None:
    tags = ID3()
    for number, text in enumerate(texts):
        tags.add(TXXX(encoding=number % 4, desc=str(number), text=text))
    for number, size in enumerate(sizes):
        data = bytes(range(256)) * (size // 256) + b"T" * (size % 256)
        tags.add(APIC(encoding=3, mime="image/png", type=3, desc=str(number), data=data))
    tags.add(TIT2(encoding=3, text="THIS IS THE TITLE OF THE SONG " * 40))
    path = tmp_path_factory.getbasetemp() / "ordinary.mp3"
    path.write_bytes(b"\xff\xfb\x90\0" + bytes(413))
    tags.save(path, v2_version=version)
    screened = screen(path)
    assert screened.hidden == ()
    assert len(screened.id3) == 1


def test_a_file_is_looked_at_once(songs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = songs / "again.flac"
    path.write_bytes((songs / "song.flac").read_bytes())
    looks = []
    look = screening._look

    def counted(name: str, file: Any) -> Any:
        looks.append(name)
        return look(name, file)

    monkeypatch.setattr(screening, "_look", counted)
    for _ in range(3):
        probe(path)
        num_samples_of(path)
        read_tags(path)
    assert looks == [str(path)]
    with path.open("ab") as file:
        file.write(b"\0")
    probe(path)
    assert len(looks) == 2


@given(
    size=st.integers(0, 300),
    patches=st.lists(
        st.tuples(st.integers(0, 280), st.binary(min_size=1, max_size=20)), max_size=4
    ),
    steps=st.lists(st.tuples(st.integers(0, 320), st.integers(-1, 320)), max_size=8),
)
def test_a_masked_file_reads_as_the_patched_one(
    tmp_path_factory: pytest.TempPathFactory,
    size: int,
    patches: list[tuple[int, bytes]],
    steps: list[tuple[int, int]],
) -> None:
    path = tmp_path_factory.getbasetemp() / "masked"
    content = bytearray(range(256)) + bytes(range(44))
    del content[size:]
    path.write_bytes(content)
    # What lies beyond the end of the file is not read.
    for start, new in sorted(patches):
        new = new[: max(0, size - start)]
        content[start : start + len(new)] = new
    with MaskedFile(path, patches) as file:
        assert file.readall() == content
        for position, num_bytes in steps:
            file.seek(position)
            expected = content[position:] if num_bytes < 0 else content[position:][:num_bytes]
            assert file.read(num_bytes) == expected
            file.seek(position)
            buffer = bytearray(max(num_bytes, 0))
            num_read = file.readinto(buffer)
            assert buffer[:num_read] == content[position:][: max(num_bytes, 0)]
