"""Hybrid Transformer Demucs. Rouard, Massa, Défossez (2023), arXiv:2211.08553."""
