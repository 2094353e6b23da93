"""The CaC-TDC U-Net: one stem, frame by frame. Choi et al., ISMIR 2020."""
