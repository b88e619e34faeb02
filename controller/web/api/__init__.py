"""The REST and WebSocket API under `/api/v1`; `make_api` in `server.py` makes its application."""
