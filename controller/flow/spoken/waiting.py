"""What callers hear while they wait in a queue, when its operator has recorded nothing else; whole sentences.

The words for a place and for a wait are honest ones: a wait is rounded up to a step that people use, and said as
`about`, and nothing is promised beyond half an hour.
"""

from __future__ import annotations

from collections.abc import Mapping

_PLACES = range(2, 11)
_MINUTES = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30)
_MINUTE_S = 60.0
_ABOUT = 1.15
"""How much longer than what is said a wait may be estimated, and still be `about` that long."""

_FR = (
    "",
    "un",
    "deux",
    "trois",
    "quatre",
    "cinq",
    "six",
    "sept",
    "huit",
    "neuf",
    "dix",
)
_EN = (
    "",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
)
_FR_MINUTES = {15: "quinze", 20: "vingt", 30: "trente"}
_EN_MINUTES = {15: "fifteen", 20: "twenty", 30: "thirty"}


def _fr_wait(minutes: int) -> str:
    if minutes == 1:
        return "Le temps d'attente estimé est d'environ une minute."
    return f"Le temps d'attente estimé est d'environ {_FR_MINUTES.get(minutes) or _FR[minutes]} minutes."


def _en_wait(minutes: int) -> str:
    word = _EN_MINUTES.get(minutes) or _EN[minutes]
    return f"The estimated waiting time is about {word} {'minute' if minutes == 1 else 'minutes'}."


WAITING: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "place-1": "Votre appel est le prochain.",
        **{f"place-{place}": f"Votre appel est en position {_FR[place]}." for place in _PLACES},
        "place": "Votre appel est en position",
        "wait-under-1": "Le temps d'attente estimé est de moins d'une minute.",
        **{f"wait-{minutes}": _fr_wait(minutes) for minutes in _MINUTES},
        "wait-over-30": "Le temps d'attente estimé dépasse trente minutes.",
        "comfort": "Merci de patienter. Un conseiller vous répondra dès que possible.",
        "offer-callback": "Pour être rappelé sans perdre votre tour, tapez",
        "offer-message": "Pour laisser un message, tapez",
        "accept-call": "Pour prendre cet appel, tapez",
        "message-greeting": "Laissez votre message après le signal sonore. Pour terminer, tapez dièse.",
        "message-review": "Pour envoyer votre message, tapez 1. Pour l'écouter, tapez 2. "
        "Pour l'enregistrer de nouveau, tapez 3.",
        "message-kept": "Votre message est enregistré.",
        "message-empty": "Nous n'avons rien entendu.",
    },
    "en": {
        "place-1": "You are next in line.",
        **{f"place-{place}": f"You are number {_EN[place]} in line." for place in _PLACES},
        "place": "Your place in line is number",
        "wait-under-1": "The estimated waiting time is less than a minute.",
        **{f"wait-{minutes}": _en_wait(minutes) for minutes in _MINUTES},
        "wait-over-30": "The estimated waiting time is more than thirty minutes.",
        "comfort": "Thank you for waiting. An adviser will answer you as soon as possible.",
        "offer-callback": "To be called back without losing your place, press",
        "offer-message": "To leave a message, press",
        "accept-call": "To take this call, press",
        "message-greeting": "Please leave your message after the tone. To finish, press hash.",
        "message-review": "To send your message, press 1. To listen to it, press 2. To record it again, press 3.",
        "message-kept": "Your message has been saved.",
        "message-empty": "We did not hear anything.",
    },
}
"""Per language: name of the notice → the text that is recorded for it."""


def place_fragments(place: int) -> tuple[str, ...]:
    """Return the notices that say a place from 1, without its number where there is no whole sentence for it."""
    return (f"place-{place}",) if place == 1 or place in _PLACES else ("place",)


def wait_fragment(seconds: float) -> str:
    """Return the notice that says about how long a wait of `seconds` is: rounded to the next step that is said."""
    if seconds < _MINUTE_S:
        return "wait-under-1"
    for minutes in _MINUTES:
        if seconds <= minutes * _MINUTE_S * _ABOUT:
            return f"wait-{minutes}"
    return "wait-over-30"
