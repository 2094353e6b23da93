"""Where networks are called: devices, their memory, batches and queues. Knows nothing of songs."""
