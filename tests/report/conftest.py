"""A headless browser, if there is one on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.browser import Browser


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Chromium, driven over WebDriver; the tests that need it are skipped where it is missing."""
    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("needs chromium and chromedriver: apt-get install chromium chromium-driver")
    pytest.importorskip("selenium", reason="needs the Python package selenium")
    with Browser(*map(Path, filter(None, programs)), tmp_path_factory.mktemp("profile")) as running:
        yield running
