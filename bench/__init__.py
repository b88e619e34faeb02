"""Measures one IVR through Rappel, through the native dialplan and through what else there is."""
