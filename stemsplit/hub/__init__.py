"""From the name of a model to verified files on disk and the plain tensors in them."""
