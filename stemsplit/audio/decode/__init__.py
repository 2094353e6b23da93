"""From files to samples: one decoder for each library, and what their headers promise."""
