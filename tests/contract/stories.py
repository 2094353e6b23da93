"""Runs a story, and knows what it should come to."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from tests.contract.commands import STORIES
from tests.contract.outcome import Runner
from tests.contract.scenes import make_finished, make_scene

EXPECTED = Path(__file__).with_name("expected.json")


def tell(story: str, place: Path, *, exact: bool = False) -> dict[str, Any]:
    """What becomes of each line of a story in an empty folder, by line."""
    folder = place / "music"
    folder.mkdir()
    (make_finished if story.startswith("finished") else make_scene)(folder)
    told = {}
    with _inside(folder, cache=place / "cache"):
        runner = Runner(folder)
        for number, line in enumerate(STORIES[story], start=1):
            outcome = runner.run([*line, "--offline"] if _may_fetch(line) else line)
            told[f"{number}: {' '.join(line)}"] = outcome.exact() if exact else outcome.described()
    shutil.rmtree(folder)
    return told


def expected(story: str) -> dict[str, Any]:
    """What was recorded of it."""
    stories: dict[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return dict(stories[story])


def _may_fetch(line: tuple[str, ...]) -> bool:
    return line[0] not in ("models", "list") and "--offline" not in line


@contextlib.contextmanager
def _inside(folder: Path, *, cache: Path) -> Iterator[None]:
    """Works in the folder, with an empty Hub cache, no package of weights, nobody to talk to."""
    from huggingface_hub import constants

    before = Path.cwd()
    names = {"HF_HUB_OFFLINE": "1", "COLUMNS": "100", "NO_COLOR": "1"}
    settings = (constants.HF_HUB_OFFLINE, constants.HF_HUB_CACHE, constants.HF_ASSETS_CACHE)
    environment = dict(os.environ)
    try:
        os.environ.update(names)
        constants.HF_HUB_OFFLINE, constants.HF_HUB_CACHE = True, str(cache)
        constants.HF_ASSETS_CACHE = str(cache / "assets")
        os.chdir(folder)
        with mock.patch("stemsplit.hub.distributions.installed_file", return_value=None):
            yield
    finally:
        os.chdir(before)
        constants.HF_HUB_OFFLINE, constants.HF_HUB_CACHE, constants.HF_ASSETS_CACHE = settings
        os.environ.clear()
        os.environ.update(environment)
