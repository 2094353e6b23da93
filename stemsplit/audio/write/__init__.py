"""Files of outputs: in the making, and in their places."""
