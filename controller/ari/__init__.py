"""The adapter to Asterisk's REST interface (ARI): one WebSocket for events, two ways for requests."""
