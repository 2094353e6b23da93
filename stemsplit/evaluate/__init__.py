"""How good a separation is: measures, and songs whose true stems are known."""
