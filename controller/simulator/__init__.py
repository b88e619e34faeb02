"""Calls without a telephone: flows run on a virtual clock, in the terminal, in scenarios, and at random."""
