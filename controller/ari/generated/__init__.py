"""What tools/generate_ari.py wrote from Asterisk's description of ARI."""
