"""Calls from a web page: who may call, with which ticket, over which line."""
