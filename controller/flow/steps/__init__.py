"""The types of steps. A new one is a module here and a line in `_TYPES`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from controller.flow.steps.agent import AgentLogin, AgentLogout, AgentPause, AgentReady, AgentResume
from controller.flow.steps.base import Step
from controller.flow.steps.callback import Callback
from controller.flow.steps.callbackends import CallbackCancel, CallbackFind, NeverAgain
from controller.flow.steps.decide import Hours, Set, Switch
from controller.flow.steps.dial import DialExtension
from controller.flow.steps.entry import CollectDigits, Menu
from controller.flow.steps.http import Http
from controller.flow.steps.messages import Messages
from controller.flow.steps.queue import WaitInQueue
from controller.flow.steps.speech import HangUp, Language, Say
from controller.flow.steps.subflow import Return, Subflow
from controller.flow.steps.voicemail import Voicemail

_TYPES: tuple[type[Step], ...] = (
    Say,
    Menu,
    CollectDigits,
    Hours,
    Switch,
    Set,
    Language,
    Http,
    DialExtension,
    WaitInQueue,
    Voicemail,
    Callback,
    CallbackFind,
    CallbackCancel,
    NeverAgain,
    Subflow,
    Return,
    HangUp,
    AgentLogin,
    AgentLogout,
    AgentPause,
    AgentResume,
    AgentReady,
    Messages,
)

STEP_TYPES: Mapping[str, type[Step]] = MappingProxyType({each.type: each for each in _TYPES})

LATER_TYPES = frozenset({"record", "consent", "rate", "ticket", "pay"})
"""Types that the language knows and that this version does not run."""
