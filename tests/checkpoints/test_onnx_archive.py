"""Archives of ONNX files: bounded, in memory, and never by the paths that they name."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from stemsplit.checkpoints import onnx_archive
from stemsplit.checkpoints.onnx_archive import read_onnx_archive
from stemsplit.errors import CheckpointError
from tests.fuzz import onnx_files

NETWORK = onnx_files.mdxnet(has_products=False)
SETTINGS = b"[df]\nsr = 48000\n[train]\nmodel = %(name)s\n"


def archive(path: Path, files: list[tuple[str, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as file:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return path


def test_networks_and_settings_are_found_in_whatever_folder(tmp_path: Path) -> None:
    files = [("tmp/export/a.onnx", NETWORK), ("../b.onnx", NETWORK), ("x/config.ini", SETTINGS)]
    found = read_onnx_archive(archive(tmp_path / "a.tar.gz", [*files, ("readme", b"?")]))
    assert found.graphs.keys() == {"a", "b"}
    assert found.graphs["a"].nodes
    assert found.sections == {"df": {"sr": "48000"}, "train": {"model": "%(name)s"}}
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([("readme", b"?")], "holds no ONNX file"),
        ([("a.onnx", NETWORK), ("b/a.onnx", NETWORK)], "several files 'a.onnx'"),
        ([("a.onnx", b"\xff\xff")], "a.onnx is damaged"),
        ([("a.onnx", NETWORK), ("config.ini", b"sr = 1")], "config.ini is not readable"),
        ([("a.onnx", NETWORK), ("config.ini", b"\xff")], "config.ini is not readable"),
        ([("a.onnx", NETWORK), ("config.ini", b"#" * 70_000)], "configuration has 70000 bytes"),
        ([(f"{index}", b"") for index in range(65)], "more than 64 files"),
    ],
)
def test_what_is_no_network_is_refused(
    files: list[tuple[str, bytes]], message: str, tmp_path: Path
) -> None:
    with pytest.raises(CheckpointError, match=message):
        read_onnx_archive(archive(tmp_path / "a.tar.gz", files))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_links_and_folders_are_no_networks(kind: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    with tarfile.open(path, "w:gz") as file:
        member = tarfile.TarInfo("a.onnx")
        member.type, member.linkname = kind, "/etc/passwd"
        file.addfile(member)
    with pytest.raises(CheckpointError, match=r"'a\.onnx' is no file"):
        read_onnx_archive(path)


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(bytes(1 << 20)))
    monkeypatch.setattr(onnx_archive, "MAX_UNPACKED_BYTES", 2000)
    with pytest.raises(CheckpointError, match="more than 2000 bytes in it"):
        read_onnx_archive(path)


def test_damage_is_said(tmp_path: Path) -> None:
    whole = archive(tmp_path / "a.tar.gz", [("a.onnx", NETWORK)]).read_bytes()
    for name, content in (
        ("cut", whole[: len(whole) // 2]),
        ("text", b"no archive"),
        ("empty", b""),
        ("no tar", gzip.compress(b"x" * 2000)),
    ):
        path = tmp_path / f"{name}.tar.gz"
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"is damaged, or no archive|holds no ONNX file"):
            read_onnx_archive(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_onnx_archive(tmp_path / "none.tar.gz")
