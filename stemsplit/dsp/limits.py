"""What may be asked for, where it is needed without the arithmetic."""

from __future__ import annotations

MIN_CHUNK_SECONDS = 0.1
"""In shorter chunks there is no music to be heard."""
