"""Numbers: which there are, of what kind and where, and what calls with them cost; pure."""
