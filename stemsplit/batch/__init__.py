"""Tracks as jobs: which files, where to, and what became of them."""
