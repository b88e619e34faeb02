"""The exceptions Rappel raises, drawn once.

::

    RappelError
    ├── ConfigError          the configuration file or an environment variable is wrong
    ├── SetupError           the embedded stack (Asterisk, Postgres, ports, disk) cannot be set up
    ├── FlowError            a centre or a flow has findings; carries all of them
    ├── TelephonyError
    │   ├── AsteriskUnreachable   no connection, or no answer in time: the request's fate is unknown
    │   ├── AsteriskRefused       Asterisk answered with an error status
    │   └── ChannelGone           the channel, bridge or playback no longer exists
    └── StoreError           Postgres or the on-disk journal failed

A hang-up, a busy line and an unanswered call are events (`controller.flow.commands`), never exceptions.
Every message says what to do next.
"""

from __future__ import annotations


class RappelError(Exception):
    """Base of everything Rappel raises on purpose."""


class ConfigError(RappelError):
    """The configuration file or an environment variable is wrong."""


class SetupError(RappelError):
    """The embedded stack cannot be set up; the message says what to do."""


class FlowError(RappelError):
    """A centre or a flow cannot be used; `findings` holds everything that is wrong with it.

    `findings` is a tuple of `controller.flow.findings.Finding`, in file order.
    """

    def __init__(self, message: str, findings: tuple[object, ...] = ()) -> None:
        super().__init__(message)
        self.findings = findings


class TelephonyError(RappelError):
    """Asterisk could not do what it was asked."""


class AsteriskUnreachable(TelephonyError):  # noqa: N818 - named after the state it reports
    """No connection to Asterisk, or no answer in time: whether the request was carried out is unknown."""


class AsteriskRefused(TelephonyError):  # noqa: N818 - named after the state it reports
    """Asterisk answered with an error status (`status`, an HTTP code) and `reason`."""

    def __init__(self, message: str, *, status: int, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class ChannelGone(AsteriskRefused):
    """The channel, bridge or playback named in the request no longer exists (404, or 409 on its way out)."""


class StoreError(RappelError):
    """Postgres or the on-disk journal failed."""


class StoreConflict(StoreError):  # noqa: N818 - named after what it reports
    """What was to be stored contradicts what is there; the message says what, and what to do."""
