"""The built-in separator: classical signal processing, no weights, no download."""
