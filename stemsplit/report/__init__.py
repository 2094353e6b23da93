"""Pages to listen to and to read: one file of HTML per track, and an index of a folder."""
