"""From samples to bytes: one encoder for each library."""
