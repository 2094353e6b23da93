"""Runs any model over audio of any length, in bounded memory."""
