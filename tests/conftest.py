"""What must be there before any test runs."""

from __future__ import annotations

# Commands that run in this process freeze all objects (`stemsplit.cli.imports`), among which
# Hypothesis then does not find its own with the garbage collector. It comes first, therefore.
import hypothesis  # noqa: F401
