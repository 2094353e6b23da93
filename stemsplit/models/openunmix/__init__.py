"""Open-Unmix: one recurrent network per stem and a Wiener filter. Stöter et al. (JOSS 2019)."""
