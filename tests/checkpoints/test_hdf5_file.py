"""HDF5 files as h5py writes them, and what strangers may make of them."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stemsplit.checkpoints import hdf5_file
from stemsplit.checkpoints.contents import read_file, read_tensors
from stemsplit.errors import CheckpointError
from tests.golden.make_hdf5 import SHAPES
from tests.models.deterministic_weights import values_by_name

GOLDEN = Path(__file__).parents[1] / "golden" / "hdf5.zip"
ROOT_HEADER = 96


def content() -> bytes:
    with zipfile.ZipFile(GOLDEN) as archive:
        return archive.read("arrays.h5")


def put(folder: Path, data: bytes, name: str = "arrays.h5") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def test_what_h5py_has_written_is_read(tmp_path: Path) -> None:
    path = put(tmp_path, content())
    for found in (read_tensors(GOLDEN), read_tensors(path), read_file(path)):
        assert isinstance(found, dict)
        assert found.keys() == SHAPES.keys()
        for name, shape in SHAPES.items():
            assert found[name].dtype == (torch.float64 if name == "doubles" else torch.float32)
            assert torch.equal(found[name].float(), values_by_name(name, shape))


def replaced(before: bytes, after: bytes) -> Callable[[bytes], bytes]:
    """The file with the first such bytes replaced, which are there."""

    def change(data: bytes) -> bytes:
        assert before in data
        return data.replace(before, after, 1)

    return change


def at(position: int, after: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:position] + after + data[position + len(after) :]


def members_are_the_root(data: bytes) -> bytes:
    """Each member of each group is the group that all are in."""
    changed, position = bytearray(data), data.find(b"SNOD")
    while position >= 0:
        (count,) = struct.unpack_from("<H", data, position + 6)
        for index in range(count):
            struct.pack_into("<Q", changed, position + 16 + 40 * index, ROOT_HEADER)
        position = data.find(b"SNOD", position + 1)
    return bytes(changed)


def trees_are_their_own_children(data: bytes) -> bytes:
    changed, position = bytearray(data), data.find(b"TREE")
    while position >= 0:
        struct.pack_into("<Q", changed, position + 32, position)
        position = data.find(b"TREE", position + 1)
    return bytes(changed)


FLOAT32 = bytes.fromhex("11201f00040000000000200017080017")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (at(0, b"\x88"), "does not begin as one"),
        (at(8, b"\2"), "its superblock, of version 2"),
        (at(24, b"\1"), "its superblock, of version 0"),
        (at(64, b"\xff" * 8), "lies beyond its end"),
        (at(ROOT_HEADER, b"\2"), "a header has the version 2"),
        (replaced(b"TREE", b"TREF"), "no readable list of members"),
        (replaced(b"HEAP", b"HEAQ"), "no names for its members"),
        (replaced(b"deep\0", b"\0eep\0"), "a name is empty"),
        (replaced(b"deep\0", b"\xffeep\0"), "decode"),
        (replaced(FLOAT32, b"\x10" + FLOAT32[1:]), "not of float32 or float64"),
        (members_are_the_root, "nested more than 32 deep"),
        (trees_are_their_own_children, "no readable list of members"),
        (lambda data: data[: len(data) // 2], "lies beyond its end"),
        (lambda _: b"", "lies beyond its end"),
    ],
)
def test_what_is_not_as_it_should_be_is_said(
    tmp_path: Path, change: Callable[[bytes], bytes], words: str
) -> None:
    with pytest.raises(CheckpointError, match=words):
        read_tensors(put(tmp_path, change(content())))


def layout_of(data: bytes, num_bytes: int) -> int:
    """Where the file says how the first array of so many bytes is laid out."""
    position = data.find(b"\3\1")
    while struct.unpack_from("<Q", data, position + 10) != (num_bytes,):
        position = data.find(b"\3\1", position + 1)
    return position


@pytest.mark.parametrize(
    ("offset", "after", "words"),
    [
        (1, b"\2", "'doubles' is packed, or in several pieces"),
        (2, b"\xff" * 8, "lies beyond its end"),
        (10, b"\0" * 8, "'doubles' has 0 bytes"),
        (10, b"\xff" * 8, "'doubles' has 18446744073709551615 bytes"),
    ],
)
def test_an_array_is_in_the_file_as_it_is(
    tmp_path: Path, offset: int, after: bytes, words: str
) -> None:
    data = content()
    changed = at(layout_of(data, 48) + offset, after)(data)
    with pytest.raises(CheckpointError, match=words):
        read_tensors(put(tmp_path, changed))


def test_no_more_is_visited_or_taken_than_a_file_of_weights_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path, content())
    with monkeypatch.context() as patch:
        patch.setattr(hdf5_file, "_MAX_VISITS", 100)
        with pytest.raises(CheckpointError, match="more than 100 places"):
            read_tensors(path)
    with monkeypatch.context() as patch:
        patch.setattr(hdf5_file, "_MAX_PATH_CHARACTERS", 8)
        with pytest.raises(CheckpointError, match=r"characters|too long"):
            read_tensors(path)
    monkeypatch.setattr(hdf5_file, "MAX_BYTES", 1000)
    with pytest.raises(CheckpointError, match="more than 1000 bytes"):
        read_tensors(path)


def test_a_damaged_file_is_an_error_or_another_one(tmp_path: Path) -> None:
    """Cuts, and many changes of a byte in what says where all is; arrays stay within the file."""
    data, rng, num_refused = content(), random.Random(0), 0
    places = [place for place in range(len(data)) if data[place] or rng.random() < 0.01]
    for _ in range(100):
        changed = bytearray(data)
        changed[rng.choice(places)] = rng.randrange(256)
        try:
            found = read_tensors(put(tmp_path, bytes(changed)))
        except CheckpointError:
            num_refused += 1
        else:
            assert sum(each.numel() * each.element_size() for each in found.values()) <= len(data)
    assert 0 < num_refused < 100


def test_an_archive_has_the_arrays_of_all_its_files(tmp_path: Path) -> None:
    other = content()
    for name in (b"scalar\0", b"doubles\0", b"deep\0", b"many\0"):
        other = other.replace(name, name.upper())
    files = {"a/one.h5": content(), "two.h5": other, "a/._one.h5": b"x", "README": b"x"}
    path = put(tmp_path, zipped(files), "all.zip")
    assert len(read_tensors(path)) == 2 * len(SHAPES)


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (lambda: zipped({"a.txt": b""}), r"it has no file \*\.h5"),
        (lambda: zipped({"a.h5": content(), "b.h5": content()}), "several of its files have"),
        (lambda: zipped({"a.h5": bytes(1 << 22)}), "far larger than itself"),
        (lambda: zipped({"a.h5": content()}, zipfile.ZIP_LZMA), "not packed as zip files usually"),
        (lambda: zipped({"a.h5": content()})[:-30], "zip file"),
        (lambda: b"PK", "zip file"),
    ],
)
def test_an_archive_that_is_none_is_refused(
    tmp_path: Path, packed: Callable[[], bytes], words: str
) -> None:
    with pytest.raises(CheckpointError, match=words):
        read_tensors(put(tmp_path, packed(), "all.zip"))


def test_a_damaged_archive_is_an_error(tmp_path: Path) -> None:
    packed = bytearray(zipped({"a.h5": content()}))
    packed[2000:2010] = b"\xff" * 10
    with pytest.raises(CheckpointError, match="is not a readable zip file of"):
        read_tensors(put(tmp_path, bytes(packed), "all.zip"))
