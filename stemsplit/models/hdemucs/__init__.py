"""Hybrid Demucs. Défossez (2021), arXiv:2111.03600."""
