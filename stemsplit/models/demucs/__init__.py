"""Demucs in the time domain, third generation. Défossez et al. (2019), arXiv:1911.13254."""
