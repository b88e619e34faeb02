"""Prepared audio for Asterisk, and the engines that speak text prompts."""
