"""What users see of a run is what they saw before."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.commands import STORIES
from tests.contract.outcome import differences
from tests.contract.stories import expected, tell


@pytest.mark.slow
@pytest.mark.parametrize("story", STORIES)
def test_a_story_ends_as_it_did(story: str, tmp_path: Path) -> None:
    found = list(differences(expected(story), tell(story, tmp_path)))
    assert not found, "\n".join(
        [*found, "If that is meant: python -m tests.contract record, and look at the difference."]
    )
