"""The command line: one file per command, no torch until a command needs it."""
