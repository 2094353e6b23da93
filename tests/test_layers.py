"""Imports go downwards only, never sideways: read off the source, not off what happened to run."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import stemsplit
from stemsplit.models.registry import BUILT_IN, FAMILIES

PACKAGE = Path(stemsplit.__file__).parent

LEVELS = {
    "cli": 7,
    "report": 6,
    "batch": 5,
    "evaluate": 5,
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


def module_name(path: Path) -> str:
    parts = (PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules() -> dict[str, set[str]]:
    """What each module of the package imports of it, at any depth in the code."""
    paths = {module_name(path): path for path in PACKAGE.rglob("*.py")}
    found: dict[str, set[str]] = {}
    for name, path in paths.items():
        imported = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
                imported |= {each if each in paths else str(node.module) for each in names}
            elif isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
        found[name] = imported & paths.keys() - {name}
    return found


def find_cycle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that import each other in a ring, if any do."""
    settled: set[str] = set()

    def search(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name not in settled:
            for imported in sorted(graph[name]):
                if cycle := search(imported, [*path, name]):
                    return cycle
            settled.add(name)
        return []

    return next((cycle for name in sorted(graph) if (cycle := search(name, []))), [])


def test_no_modules_import_each_other_in_a_ring() -> None:
    """Not even inside a folder, nor inside functions."""
    assert find_cycle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]
    assert find_cycle(imported_modules()) == []


FAMILY_MODULES = {"adapter", "config", "folder", "graph", "layers", "model", "network"}
"""A family's folder may have these."""

SHARED_NAMES = {"run", "separate"}


def test_models_are_opened_by_one_function() -> None:
    users = {
        name for name, imported in imported_modules().items() if "stemsplit.engine.load" in imported
    }
    assert users == {"stemsplit.engine.session"}


def test_no_two_modules_or_public_classes_have_one_name() -> None:
    modules, classes = defaultdict(list), defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.stem not in {"__init__", *FAMILY_MODULES}:
            modules[path.stem].append(module_name(path))
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                classes[node.name].append(module_name(path))
    several = {name: places for name, places in modules.items() if len(places) > 1}
    assert several.keys() - SHARED_NAMES == set(), several
    several = {name: places for name, places in classes.items() if len(places) > 1}
    assert several == {}


MAX_LINES = 60
MAX_PARAMETERS = 6

OF_THE_INTERFACE = {
    "engine.separator.Separator.__init__",
    "engine.separation.Separation.save",
}
"""Parameters of these are options of users, each with a name of its own."""


def functions() -> Iterator[tuple[str, ast.FunctionDef]]:
    def inside(node: ast.AST, place: str) -> Iterator[tuple[str, ast.FunctionDef]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
                name = f"{place}.{child.name}"
                if isinstance(child, ast.FunctionDef):
                    yield name, child
                yield from inside(child, name)

    for path in sorted(PACKAGE.rglob("*.py")):
        place = module_name(path).partition(".")[2]
        yield from inside(ast.parse(path.read_text(encoding="utf-8")), place)


def test_functions_fit_a_screen() -> None:
    long = {
        name: node.end_lineno - node.lineno + 1
        for name, node in functions()
        if node.end_lineno and node.end_lineno - node.lineno >= MAX_LINES
    }
    assert long == {}


def test_functions_take_few_parameters() -> None:
    many = {}
    for name, node in functions():
        given = node.args
        names = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        count = len([each for each in names if each not in {"self", "cls"}])
        if count > MAX_PARAMETERS and name not in OF_THE_INTERFACE:
            many[name] = count
    assert many == {}


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
NAMED_MODELS = "DEFAULT_MODELS"
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


def code_without_prose(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but docstrings, and the names of models."""
    for child in ast.iter_child_nodes(node):
        is_docstring = isinstance(node, ast.Expr) and isinstance(child, ast.Constant)
        names_models = (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and node.target.id == NAMED_MODELS
        )
        if not is_docstring and not names_models:
            yield child
            yield from code_without_prose(child)


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
