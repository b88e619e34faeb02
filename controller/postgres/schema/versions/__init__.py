"""One short script per migration, in order."""
