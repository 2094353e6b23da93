"""Checkpoints made to cost memory or time: each is refused within a gibibyte, and soon.

They are read in a process of their own, whose memory is limited: what goes on to allocate there
fails with MemoryError and not with the machine.
"""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from stemsplit.checkpoints.contents import read_file, read_tensors
from stemsplit.checkpoints.onnx_file import fingerprint, read_onnx
from stemsplit.checkpoints.torch_file import read_checkpoint
from stemsplit.engine.network_files import build_network
from stemsplit.errors import CheckpointError
from stemsplit.hub.resolve import resolve
from stemsplit.models.registry import build_model

MAX_GROWTH_BYTES = 1 << 30
MANY = 24 << 20


def in_a_zip(pickled: bytes, num_entries: int = 0) -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as writing:
        writing.writestr("a/data.pkl", pickled)
        for number in range(num_entries):
            writing.writestr(f"a/data/{number}", b"")
    return archive.getvalue()


def text(content: bytes) -> bytes:
    return b"X" + struct.pack("<I", len(content)) + content


def same_hashes() -> bytes:
    keys = (n * (2**61 - 1) for n in range(1, 60_000))
    items = b"".join(b"\x8a\x11" + key.to_bytes(17, "little") + b"N" for key in keys)
    return b"\x80\x04}(" + items + b"u."


def shared_arguments(depth: int = 14) -> bytes:
    value: list[object] = []
    for _ in range(depth):
        value = [value] * 50
    return pickle.dumps({"klass": "x", "args": value, "kwargs": {}, "state": {}}, 2)


def overlapping() -> bytes:
    """Two entries, of which the second lies in the first."""

    def local(name: bytes, data: bytes) -> bytes:
        sizes = struct.pack("<III", zlib.crc32(data), len(data), len(data))
        return (
            b"PK\3\4" + bytes((20, 0, 0, 0, 0, 0, 0, 0, 33, 0)) + sizes
            + struct.pack("<HH", len(name), 0) + name + data
        )  # fmt: skip

    inner = local(b"a/data/0", bytes(100_000))
    outer = local(b"a/data.pkl", b"N." + inner)
    entries = (
        (b"a/data.pkl", b"N." + inner, 0),
        (b"a/data/0", bytes(100_000), len(outer) - len(inner)),
    )
    directory = b"".join(
        b"PK\1\2" + bytes((20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 33, 0))
        + struct.pack("<III", zlib.crc32(data), len(data), len(data))
        + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, offset) + name
        for name, data, offset in entries
    )  # fmt: skip
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, len(directory), len(outer), 0)
    return outer + directory + end


def doubled_names() -> bytes:
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as writing:
        writing.writestr("a/data.pkl", b"N.")
        writing.writestr("a/data/0", b"one")
        with pytest.warns(UserWarning, match="Duplicate"):
            writing.writestr("a/data/0", b"two")
    return archive.getvalue()


def safetensors_of(header: bytes) -> bytes:
    return struct.pack("<Q", len(header)) + header


BIG = 8 << 20
HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "memo": (".th", lambda: in_a_zip(b"\x80\x04N" + b"\x94" * MANY + b"."), "steps"),
    "memo by number": (
        ".th",
        lambda: in_a_zip(b"N" + b"".join(b"r" + struct.pack("<I", n) for n in range(1 << 21))),
        "steps",
    ),
    "marks": (".th", lambda: in_a_zip(b"(" * MANY), "steps"),
    "lists": (".th", lambda: in_a_zip(b"]" * MANY), "steps"),
    "sets": (".th", lambda: in_a_zip(b"\x8f" * MANY), "steps"),
    "copies": (".th", lambda: in_a_zip(b"]" + b"2" * MANY), "steps"),
    "frames": (".th", lambda: in_a_zip((b"\x95" + bytes(8)) * (1 << 21)), "steps"),
    "nested": (".th", lambda: in_a_zip(b"N" + b"\x85" * MANY), "steps"),
    "names of classes": (
        ".th",
        lambda: in_a_zip(text(b"x" * BIG) + b"q\0" + b"h\0h\0\x930" * 50_000 + b"."),
        "absurdly long",
    ),
    "encoded texts": (
        ".th",
        lambda: in_a_zip(
            text(b"x" * BIG) + b"q\0c_codecs\nencode\nq\1" + b"h\1h\0\x8c\x06latin1\x86R" * 50_000
        ),
        "copy absurdly much",
    ),
    "copied lists": (
        ".th",
        lambda: in_a_zip(
            b"(" + b"N" * 500_000 + b"lq\0ctorch\nSize\nq\1" + b"h\1h\0\x85R" * 50_000
        ),
        "copy absurdly much",
    ),
    "long keys": (
        ".th",
        lambda: in_a_zip(
            text(b"x" * BIG) + b"q\0" + text(b"x" * BIG) + b"q\1}" + b"h\0Nsh\1Ns" * 90_000
        ),
        "absurdly long",
    ),
    "large keys": (
        ".th",
        lambda: in_a_zip(b"(" + b"N" * 200_000 + b"tq\0}" + b"h\0Ns" * 200_000),
        "absurdly many",
    ),
    "keys of one hash": (".th", lambda: in_a_zip(same_hashes()), "absurdly long"),
    "attributes of many objects": (
        ".th",
        lambda: in_a_zip(
            b"\x80\x02cargparse\nNamespace\nq\0}q\1("
            + b"".join(b"J" + struct.pack("<i", n) + b"N" for n in range(200_000))
            + b"u0"
            + b"h\0)\x81h\1b" * 100_000
        ),
        "names with values",
    ),
    "attributes again and again": (
        ".th",
        lambda: in_a_zip(
            b"\x80\x02cargparse\nNamespace\nq\0}q\1("
            + b"".join(text(b"%d" % n) + b"N" for n in range(200_000))
            + b"u0h\0)\x81"
            + b"h\1b" * 100_000
        ),
        "copy absurdly much",
    ),
    "shared arguments": (".th", lambda: in_a_zip(shared_arguments()), "not plain"),
    "integer": (".th", lambda: in_a_zip(b"\x8b" + struct.pack("<i", BIG) + b"\x01" * BIG), "large"),
    "many entries": (".th", lambda: in_a_zip(b"N.", 80_000), "list of entries"),
    "overlapping entries": (".th", overlapping, "overlap"),
    "entries of one name": (".th", doubled_names, "one name"),
    "safetensors header": (
        ".safetensors",
        lambda: safetensors_of(b'{"a":[' + b"[]," * (20 << 20) + b"[]]}"),
        "header has",
    ),
    "promised header": (".safetensors", lambda: b"\xff" * 8 + b"{}", "header has"),
    "onnx name": (
        ".onnx",
        lambda: b"\x3a\x84\x80\x80\x08\x0a\x80\x80\x80\x08" + b"\x0a" + b"x" * ((16 << 20) - 1),
        "name has|damaged",
    ),
    "onnx fields": (".onnx", lambda: b"\x3a\0" * (8 << 20), "fields"),
}


def read_all(folder: Path) -> None:
    """Reads every file of the folder and prints, by name, what it is refused with."""
    import resource

    import torch

    torch.zeros(1)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MAX_GROWTH_BYTES,) * 2)
    messages = {}
    for path in sorted(folder.iterdir()):
        try:
            read_onnx(path) if path.suffix == ".onnx" else read_file(path)
        except CheckpointError as error:
            messages[path.stem] = str(error)
        except BaseException as error:
            messages[path.stem] = f"died of {type(error).__name__}"
    print(json.dumps(messages))


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("hostile")
    for name, (suffix, make, _) in HOSTILE.items():
        (folder / f"{name}{suffix}").write_bytes(make())
    code = "import sys, pathlib; from tests.checkpoints.test_hostile_files import read_all\n"
    result = subprocess.run(
        [sys.executable, "-c", f"{code}read_all(pathlib.Path(sys.argv[1]))", str(folder)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    found: dict[str, str] = json.loads(result.stdout)
    return found


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_checkpoint_is_refused_in_little_memory(
    messages: dict[str, str], name: str
) -> None:
    message = messages[name]
    assert any(words in message for words in HOSTILE[name][2].split("|")), message[:500]
    assert len(message) < 1000


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
@pytest.mark.parametrize("suffix", [".th", ".safetensors", ".onnx"])
def test_a_pipe_is_no_checkpoint(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    os.mkfifo(path)
    readers: list[Callable[[Path], object]] = [read_onnx, fingerprint]
    if suffix != ".onnx":
        readers = [read_tensors, read_file]
    for read in readers:
        with pytest.raises((CheckpointError, OSError), match="is a pipe, not a file"):
            read(path)
    if suffix == ".th":
        with pytest.raises(CheckpointError, match="is a pipe, not a file"):
            read_checkpoint(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
@pytest.mark.parametrize(
    "pipe", ["model.yaml", "model.th", "model.onnx", "config.yaml", "one.th", "separator.json"]
)
def test_a_pipe_in_a_folder_of_a_model_is_not_waited_for(tmp_path: Path, pipe: str) -> None:
    files = {
        "config.yaml": {"model.pt": b"x"},
        "one.th": {"model.yaml": b"models: [one]"},
        "separator.json": {"vocals.json": b"{}", "vocals.pth": b"x"},
    }
    for name, content in files.get(pipe, {}).items():
        (tmp_path / name).write_bytes(content)
    os.mkfifo(tmp_path / pipe)

    def read_model(reference: Path) -> None:
        for member in resolve(str(reference)).members:
            build_network(member)

    for reference in (tmp_path, tmp_path / pipe):
        with pytest.raises(CheckpointError, match=r"is a pipe, not a file|configuration of the ne"):
            read_model(reference)


def test_the_name_of_a_class_is_shortened() -> None:
    with pytest.raises(CheckpointError) as error:
        build_model("x" * 10**6, (), {}, {})
    assert len(str(error.value)) < 1500
