"""The one way out: every call to a carrier is judged, written down and made here."""
