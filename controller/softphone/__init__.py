"""A scripted SIP telephone: places and takes real calls over UDP and says what it heard.

`Phone` and `Call` are the telephone, `ear.Ear` recognises known prompts in what was received, and
`place_call` runs a short script ("press 1, wait 2s, hangup") and reports the call as a timeline.
"""

from __future__ import annotations

from controller.softphone.call import Call
from controller.softphone.ear import Ear, HeardPrompt
from controller.softphone.phone import IncomingCall, Phone
from controller.softphone.place import CallReport, Moment, place_call
from controller.softphone.progress import CallState, EndedBy
from controller.softphone.script import Script, ScriptError, parse_script

__all__ = [
    "Call",
    "CallReport",
    "CallState",
    "Ear",
    "EndedBy",
    "HeardPrompt",
    "IncomingCall",
    "Moment",
    "Phone",
    "Script",
    "ScriptError",
    "parse_script",
    "place_call",
]
