"""Tags and cover art, read and written."""
