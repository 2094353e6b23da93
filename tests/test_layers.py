"""Imports go downwards only, never sideways: read off the source, not off what happened to run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import stemsplit
from stemsplit.models.registry import BUILT_IN, FAMILIES

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


def imported_names(tree: ast.Module) -> set[str]:
    """What the module imports, at any depth in the code."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


def imported_parts(path: Path) -> set[str]:
    """Sub-packages of stemsplit that the module imports."""
    names = imported_names(ast.parse(path.read_text(encoding="utf-8")))
    return {name.split(".")[1] for name in names if name.startswith("stemsplit.")}


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


FAMILY_FOLDERS = {path.parent.name for path in PACKAGE.glob("models/*/__init__.py")} - {
    "blocks",
    "fast",
}
FAMILY_NAMES = (FAMILY_FOLDERS | {*FAMILIES, *BUILT_IN} | {"kuielab", "unmix", "uvr"}) - {
    "demucs"  # also a program, whose files and options we know
}
SPELLS_A_FAMILY = re.compile(
    rf"(?<![a-z0-9])({'|'.join(map(re.escape, FAMILY_NAMES))})(?![a-z0-9])", re.IGNORECASE
)
NAMED_MODELS = {"DEFAULT_MODEL", "FALLBACK_MODEL"}
"""Names of models, rows of the catalogue: no code asks which family they are of."""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_family_is_known_outside_of_its_folder(path: Path) -> None:
    if path.relative_to(PACKAGE).parts[0] == "models":
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {name for name in imported_names(tree) if name.startswith("stemsplit.models.")}
    assert not {name.split(".")[2] for name in imported} & FAMILY_FOLDERS
    for node in code_without_prose(tree):
        text = ""
        if isinstance(node, ast.Name):
            text = node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            text = node.name
        if path.relative_to(PACKAGE).parts[0] == "cli":  # helps name models
            assert text not in FAMILY_NAMES
        else:
            assert not SPELLS_A_FAMILY.search(text), text


def code_without_prose(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes but docstrings, and the values of the two names of models."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            is_docstring = isinstance(node, ast.Expr) and isinstance(child, ast.Constant)
            is_named = isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id in NAMED_MODELS
                for target in node.targets
            )
            if not is_docstring and not is_named:
                yield child


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
