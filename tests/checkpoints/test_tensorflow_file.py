"""Checkpoints of TensorFlow: of TensorFlow itself, and of a writer that may also do wrong."""

from __future__ import annotations

import gzip
import random
import tarfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from stemsplit.checkpoints import tar_archive, tensorflow_file
from stemsplit.checkpoints.contents import read_file, read_tensors
from stemsplit.errors import CheckpointError
from tests.checkpoints.tensorflow_writer import DATA, INDEX, Oddities, archive, checkpoint
from tests.golden.make_tensorflow import SHAPES
from tests.models.deterministic_weights import values_by_name

GOLDEN = Path(__file__).parents[1] / "golden" / "tensorflow.tar.gz"
TENSORS = {f"layer_{i}/kernel": torch.arange(12.0).reshape(3, 4) + i for i in range(20)}


def put(folder: Path, files: dict[str, bytes]) -> Path:
    """The index, in a folder with all files."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder / INDEX


def assert_same(found: object, expected: dict[str, Tensor]) -> None:
    assert isinstance(found, dict)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_what_tensorflow_has_written_is_read(tmp_path: Path) -> None:
    expected = {name: values_by_name(name, shape) for name, shape in SHAPES.items()}
    assert_same(read_tensors(GOLDEN), expected)
    with tarfile.open(GOLDEN) as packed:
        packed.extractall(tmp_path, filter="data")
    assert_same(read_tensors(tmp_path / INDEX), expected)
    assert_same(read_file(tmp_path / INDEX), expected)


@settings(max_examples=50)
@given(
    names=st.sets(st.text(min_size=1, max_size=40), min_size=1, max_size=30),
    block_bytes=st.integers(1, 2000),
)
def test_any_names_in_blocks_of_any_size(
    names: set[str], block_bytes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    tensors = {name: torch.randn(len(name), 2) for name in names}
    files = checkpoint(tensors, Oddities(block_bytes=block_bytes))
    folder = tmp_path_factory.mktemp("checkpoint")
    assert_same(read_tensors(put(folder, files)), tensors)
    packed = folder / "all.tar.gz"
    packed.write_bytes(archive(files))
    assert_same(read_tensors(packed), tensors)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (Oddities(num_shards=2), "in several parts"),
        (Oddities(endianness=1), "begin with the largest byte"),
        (Oddities(compression=1), "its index is packed"),
        (Oddities(magic=0), "has no end"),
        (Oddities(more_bytes=4), r"a variable \[3, 4\] has 52 bytes"),
        (Oddities(more_bytes=1 << 40), "larger than its data"),
    ],
)
def test_what_is_not_as_it_should_be_is_said(tmp_path: Path, odd: Oddities, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        read_tensors(put(tmp_path, checkpoint(TENSORS, odd)))


def test_data_that_is_not_there_is_missed(tmp_path: Path) -> None:
    files = checkpoint(TENSORS)
    index = put(tmp_path, {**files, DATA: files[DATA][:-1]})
    with pytest.raises(CheckpointError, match="ends beyond the data"):
        read_tensors(index)
    (tmp_path / DATA).unlink()
    with pytest.raises(CheckpointError, match=r"model\.data-00000-of-00001 cannot be read"):
        read_tensors(index)


def test_a_damaged_index_is_an_error_or_another_checkpoint(tmp_path: Path) -> None:
    """Every cut, and many changes of a byte; what is still read is within the data."""
    files, rng = checkpoint(TENSORS), random.Random(0)
    index = put(tmp_path, files)
    changed = [files[INDEX][:cut] for cut in range(0, len(files[INDEX]), 7)]
    for _ in range(400):
        data = bytearray(files[INDEX])
        data[rng.randrange(len(data))] = rng.randrange(256)
        changed.append(bytes(data))
    num_refused = 0
    for content in changed:
        index.write_bytes(content)
        try:
            found = read_tensors(index)
        except CheckpointError:
            num_refused += 1
        else:
            assert sum(tensor.numel() for tensor in found.values()) <= len(files[DATA]) // 4
    assert num_refused > len(changed) // 2


def test_names_and_variables_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = put(tmp_path, checkpoint({"a" * 1025: torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="a name has 1025 bytes"):
        read_tensors(index)
    monkeypatch.setattr(tensorflow_file, "_MAX_VARIABLES", 10)
    with pytest.raises(CheckpointError, match="more than 10 variables"):
        read_tensors(put(tmp_path, checkpoint(TENSORS)))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"readme": b"?"}, "does not hold one checkpoint"),
        ({INDEX: b""}, "does not hold one checkpoint"),
        ({INDEX: b"", "b.index": b"", DATA: b""}, "does not hold one checkpoint"),
        ({INDEX: b"", f"b/{INDEX}": b""}, "several files"),
        ({f"{i}": b"" for i in range(70)}, "more than 64 files"),
    ],
)
def test_an_archive_holds_one_checkpoint(
    tmp_path: Path, files: dict[str, bytes], words: str
) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(archive(files))
    with pytest.raises(CheckpointError, match=words):
        read_tensors(path)


def test_an_archive_is_unpacked_no_further_than_it_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(1 << 24)))
    with pytest.raises(CheckpointError, match=r"more than 1[0-9]{6} bytes in it"):
        read_tensors(path)
    path.write_bytes(archive(checkpoint(TENSORS))[:-20])
    with pytest.raises(CheckpointError, match="its end is missing"):
        read_tensors(path)
    path.write_bytes(b"no archive")
    with pytest.raises(CheckpointError, match="damaged, or no archive"):
        read_tensors(path)
    monkeypatch.setattr(tar_archive, "MAX_BYTES", 5)
    with pytest.raises(CheckpointError, match="more than 5 bytes"):
        read_tensors(path)
