"""Everything that is shown: events in, words for people or JSON lines out."""
