"""What callers and agents of a queue hear when its operator has recorded nothing else; whole sentences.

The words for a place and for a wait are honest ones: a wait is rounded up to a step that people use, and said as
`about`, and nothing is promised beyond half an hour.
"""

from __future__ import annotations

from collections.abc import Mapping

from controller.callback.promise import MINUTE_S, MINUTES

_PLACES = range(2, 11)
_KEY_NAMES = {"*": "star", "#": "hash"}
_KEYS = "0123456789*#"

_FR = (*["zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"],)
_EN = (*["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],)
_FR_MANY = {15: "quinze", 20: "vingt", 30: "trente"}
_EN_MANY = {15: "fifteen", 20: "twenty", 30: "thirty"}
_FR_KEYS = {"*": "la touche étoile", "#": "la touche dièse", **{key: f"le {key}" for key in "0123456789"}}
_EN_KEYS = {"*": "star", "#": "hash"}


def _fr_wait(minutes: int) -> str:
    length = "une minute" if minutes == 1 else f"{_FR_MANY.get(minutes) or _FR[minutes]} minutes"
    return f"Le temps d'attente estimé est d'environ {length}."


def _en_wait(minutes: int) -> str:
    length = "one minute" if minutes == 1 else f"{_EN_MANY.get(minutes) or _EN[minutes]} minutes"
    return f"The estimated waiting time is about {length}."


def _with_keys(name: str, sentence: str, names: Mapping[str, str]) -> dict[str, str]:
    return {key_notice(name, key): f"{sentence} {names.get(key, key)}." for key in _KEYS}


def key_notice(name: str, key: str) -> str:
    """Return the notice `name` for a key: `offer-message-1`, `offer-message-star`."""
    return f"{name}-{_KEY_NAMES.get(key, key)}"


WAITING: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "place-1": "Votre appel est le prochain.",
        **{f"place-{place}": f"Votre appel est en position {_FR[place]}." for place in _PLACES},
        "place-over-10": "Votre appel est au-delà de la dixième position.",
        "wait-under-1": "Le temps d'attente estimé est de moins d'une minute.",
        **{f"wait-{minutes}": _fr_wait(minutes) for minutes in MINUTES},
        "wait-over-30": "Le temps d'attente estimé dépasse trente minutes.",
        "comfort": "Merci de patienter. Un conseiller vous répondra dès que possible.",
        **_with_keys("offer-callback", "Pour être rappelé sans perdre votre tour, appuyez sur", _FR_KEYS),
        **_with_keys("offer-message", "Pour laisser un message, appuyez sur", _FR_KEYS),
        **_with_keys("accept-call", "Pour prendre cet appel, appuyez sur", _FR_KEYS),
        "message-greeting": "Laissez votre message après le signal sonore. "
        "Pour terminer, appuyez sur la touche dièse.",
        "message-review": "Pour envoyer votre message, tapez 1. Pour l'écouter, tapez 2. "
        "Pour l'enregistrer de nouveau, tapez 3.",
        "message-kept": "Votre message est enregistré.",
        "message-empty": "Nous n'avons rien entendu.",
    },
    "en": {
        "place-1": "You are next in line.",
        **{f"place-{place}": f"You are number {_EN[place]} in line." for place in _PLACES},
        "place-over-10": "You are beyond the tenth place in line.",
        "wait-under-1": "The estimated waiting time is less than a minute.",
        **{f"wait-{minutes}": _en_wait(minutes) for minutes in MINUTES},
        "wait-over-30": "The estimated waiting time is more than thirty minutes.",
        "comfort": "Thank you for waiting. An adviser will answer you as soon as possible.",
        **_with_keys("offer-callback", "To be called back without losing your place, press", _EN_KEYS),
        **_with_keys("offer-message", "To leave a message, press", _EN_KEYS),
        **_with_keys("accept-call", "To take this call, press", _EN_KEYS),
        "message-greeting": "Please leave your message after the tone. To finish, press hash.",
        "message-review": "To send your message, press 1. To listen to it, press 2. To record it again, press 3.",
        "message-kept": "Your message has been saved.",
        "message-empty": "We did not hear anything.",
    },
}
"""Per language: name of the notice → the text that is recorded for it."""


def place_notice(place: int) -> str:
    """Return the notice that says a place, which counts from 1."""
    return f"place-{place}" if place == 1 or place in _PLACES else "place-over-10"


def wait_notice(seconds: float) -> str:
    """Return the notice that says about how long a wait of `seconds` is: what `controller.callback.promise` tells."""
    if seconds < MINUTE_S:
        return "wait-under-1"
    for minutes in MINUTES:
        if seconds <= minutes * MINUTE_S:
            return f"wait-{minutes}"
    return "wait-over-30"
