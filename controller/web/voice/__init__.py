"""The SIP relay for calls from web pages: what a page may say to Asterisk, and nothing else."""
