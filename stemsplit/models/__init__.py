"""Networks and classical separators: one folder per family, no files and no Hub in here."""
