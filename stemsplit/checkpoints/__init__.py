"""From a file to plain tensors and plain data: hostile input, nothing of it run, no network."""
