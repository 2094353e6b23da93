"""NumPy arrays: in archives of their own, and in a pickle among PyTorch's files."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stemsplit.checkpoints.contents import read_tensors
from stemsplit.checkpoints.torch_file import MAX_PICKLE_BYTES, read_checkpoint
from stemsplit.errors import CheckpointError

STATE: dict[str, np.ndarray] = {
    "kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
    "half": np.array([0.5, -2], np.float16),
    "counter": np.array(7, np.int64),
    "flags": np.array([True, False]),
    "again": np.zeros(1, np.float32),
}
STATE["again"] = STATE["kernel"]  # the same object twice


def pickled(value: object) -> bytes:
    """As NumPy before version 2 wrote it, by the names of then."""
    content = pickle.dumps(value, 2)
    return content.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")


def zip_with(content: bytes, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", content)
        archive.writestr("a/version", "3\n")
    return path


def assert_same(tensors: dict[str, torch.Tensor]) -> None:
    assert tensors.keys() == STATE.keys()
    for name, array in STATE.items():
        assert np.array_equal(tensors[name].numpy(), array)
        assert tensors[name].shape == array.shape


def test_arrays_in_a_pickle_are_tensors(tmp_path: Path) -> None:
    assert_same(read_tensors(zip_with(pickled(STATE), tmp_path / "a.ckpt")))


@pytest.mark.parametrize("of_numpy_2", [False, True])
def test_numbers_of_numpy_in_a_pickle_are_numbers(of_numpy_2: bool, tmp_path: Path) -> None:
    numbers = {"max_bin": np.int64(1487), "rate": np.float64(44100), "flag": np.bool_(True)}
    content = pickle.dumps(numbers, 2) if of_numpy_2 else pickled(numbers)
    found = read_checkpoint(zip_with(content, tmp_path / "a.pth"))
    assert found == {"max_bin": 1487, "rate": 44100.0, "flag": True}
    assert isinstance(found, dict)
    assert [type(each) for each in found.values()] == [int, float, bool]


@pytest.mark.parametrize("content", [b"", bytes(7), bytes(16), None], ids=repr)
def test_numbers_of_the_wrong_size_are_refused(content: object, tmp_path: Path) -> None:
    class Number:
        def __reduce__(self) -> tuple[Any, ...]:
            return np.int64(0).__reduce__()[0], (np.dtype("i8"), content)

    with pytest.raises(CheckpointError, match=r"as many bytes as its shape|impossible type"):
        read_checkpoint(zip_with(pickled([Number()]), tmp_path / "a.pth"))


@pytest.mark.parametrize("compressed", [True, False])
def test_an_archive_of_arrays(compressed: bool, tmp_path: Path) -> None:
    save = np.savez_compressed if compressed else np.savez
    save(tmp_path / "a.npz", **STATE)  # type: ignore[arg-type]
    assert_same(read_tensors(tmp_path / "a.npz"))


def test_an_array_may_be_larger_than_a_list_of_entries(tmp_path: Path) -> None:
    large = np.random.default_rng(0).standard_normal(1_500_000)
    np.savez(tmp_path / "a.npz", large=large)
    np.testing.assert_array_equal(read_tensors(tmp_path / "a.npz")["large"].numpy(), large)


def big_endian() -> bytes:
    return pickled({"a": np.zeros(3, ">f4")})


def objects() -> bytes:
    return pickled({"a": np.array([None, "x"], dtype=object)})


def structured() -> bytes:
    return pickled({"a": np.zeros(3, [("x", "f4")])})


def another_class() -> bytes:
    return pickled({"a": np.zeros(3, np.float32)}).replace(b"cnumpy\nndarray", b"cnumpy\nmatrixx")


def wrong_size() -> bytes:
    content = pickled({"a": np.zeros((3, 5), np.float32)})
    return content.replace(b"K\x03K\x05\x86", b"K\x03K\x06\x86")


def without_content() -> bytes:
    content = pickled({"a": np.zeros(3, np.float32)})
    start = content.index(b"(K\x01K\x03")
    return content[:start] + b"s."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (big_endian, "impossible type"),
        (objects, "not made of numbers"),
        (structured, "not made of numbers"),
        (another_class, "another class"),
        (wrong_size, "not as many bytes"),
        (without_content, "is not a tensor"),
    ],
)
def test_other_arrays_in_a_pickle_are_refused(make: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_tensors(zip_with(make(), tmp_path / "a.ckpt"))


def test_no_other_name_of_numpy_is_known(tmp_path: Path) -> None:
    content = pickle.dumps({"a": np.add}, 2)  # a function
    value = read_checkpoint(zip_with(content, tmp_path / "a.ckpt"))
    assert isinstance(value, dict)
    assert type(value["a"]).__name__ == "Opaque"


def test_a_pickle_may_be_as_large_as_weights_and_no_larger(tmp_path: Path) -> None:
    large = np.zeros(MAX_PICKLE_BYTES // 4 - 1000, np.float32)
    tensors = read_tensors(zip_with(pickled({"a": large}), tmp_path / "a.ckpt"))
    assert tensors["a"].shape == large.shape
    with pytest.raises(CheckpointError, match="its pickle has"):
        read_tensors(zip_with(bytes(MAX_PICKLE_BYTES + 1), tmp_path / "b.ckpt"))


def npy(header: str, content: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


@pytest.mark.parametrize(
    "entry",
    [
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,)}"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", pickle.dumps([1])),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,)}", bytes(12)),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-4,)}", bytes(16)),
        npy("__import__('os').getcwd()"),
        b"not an array",
        b"",
    ],
)
def test_entries_that_are_not_what_they_claim_are_refused(entry: bytes, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", entry)
    with pytest.raises(CheckpointError, match="not a readable NumPy archive"):
        read_tensors(tmp_path / "a.npz")


def test_an_archive_that_grows_absurdly_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(1 << 22, np.float32))
    with pytest.raises(CheckpointError, match="far larger than the file"):
        read_tensors(tmp_path / "a.npz")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(CheckpointError, match="not a readable NumPy archive"):
        read_tensors(tmp_path / "a.npz")
