"""MDX-Net: TFC-TDF-U-Net v2, one network per stem. Kim et al. (2021), arXiv:2111.12203."""
