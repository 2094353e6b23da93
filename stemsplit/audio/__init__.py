"""Audio files in and out, resampling, channels.

Element-wise work on blocks is done in NumPy: PyTorch would spread each block over all cores, and
its threads, waiting for one another, get in the way of the network (measured on a busy machine of
two cores: decoding was 10 to 40 times slower).
"""
