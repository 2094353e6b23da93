"""Other people's implementations, with which ours are compared; they are among the tests' needs."""

from __future__ import annotations

import warnings
from typing import Any

import pytest


def reference_module(module: str) -> Any:
    """The module; skips the test, or the test file that is being imported, where it is missing.

    So `pytest -m "not slow"` runs without any of them (the extra `quick`).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reference's, and those of what it needs
        return pytest.importorskip(
            module, reason=f"needs the reference {module}: pip install -e '.[test]'"
        )
