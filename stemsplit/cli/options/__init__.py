"""Options of the command line: fields of dataclasses, each declared once."""
