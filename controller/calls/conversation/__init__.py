"""Conversations: from the moment an agent and a customer share a bridge until they part."""
