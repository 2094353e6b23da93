"""Imports go downwards only, never sideways: read off the source, not off what happened to run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import stemsplit

PACKAGE = Path(stemsplit.__file__).parent

LEVELS = {
    "cli": 6,
    "batch": 5,
    "evaluate": 5,
    "report": 5,
    "engine": 4,
    "device": 3,
    "hub": 3,
    "checkpoints": 2,
    "models": 2,
    "audio": 2,
    "dsp": 1,
    "durable": 0,
    "errors": 0,
    "quoting": 0,
    "stages": 0,
    "files": 0,
    "json_data": 0,
    "version": 0,
}


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def imported_parts(path: Path) -> set[str]:
    """Sub-packages of stemsplit that the module imports, at any depth in the code."""
    parts = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the layer"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        parts |= {name.split(".")[1] for name in names if name.startswith("stemsplit.")}
    return parts


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path: Path) -> None:
    own = path.relative_to(PACKAGE).parts[0]
    for part in imported_parts(path) - {own}:
        assert LEVELS[part] < LEVELS[own], f"{own} must not import {part}"


def test_torchaudio_is_imported_in_one_module() -> None:
    users = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "torchaudio"
        in {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        | {
            (node.module or "").split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
        }
    ]
    assert users == ["audio/resample.py"]


NETWORK = {"socket", "ssl", "http", "urllib.request", "requests", "httpx", "huggingface_hub"}
TALKS = {"hub", "cli"}
"""Who may: the Hub's own folder, and `doctor`, which asks a server of its own on this machine."""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_hub_s_folder_can_reach_the_network(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] in TALKS:
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parents = {name[:end] for end, letter in enumerate(name) if letter == "."} | {name}
            assert not parents & NETWORK, f"{name} talks to the network"
