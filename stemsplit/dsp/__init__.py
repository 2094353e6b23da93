"""Arithmetic on signals: no files, no models, no devices of its own."""
