"""Conv-TasNet for music. Luo and Mesgarani (2019), arXiv:1809.07454."""
