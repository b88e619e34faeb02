"""What an agent hears who listens to a queue's voice messages from a phone; whole sentences."""

from __future__ import annotations

from collections.abc import Mapping

_COUNTED = range(2, 11)
_FR = (*["deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "dix"],)
_EN = (*["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"],)

MAILBOX: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "mailbox-new-0": "Vous n'avez pas de nouveau message.",
        "mailbox-new-1": "Vous avez un nouveau message.",
        **{
            f"mailbox-new-{count}": f"Vous avez {word} nouveaux messages."
            for count, word in zip(_COUNTED, _FR, strict=True)
        },
        "mailbox-new-8": "Nouveaux messages : huit.",  # "huit nouveaux" is heard as "un nouveau"
        "mailbox-new-over-10": "Vous avez plus de dix nouveaux messages.",
        "mailbox-item-new": "Nouveau message.",
        "mailbox-item-heard": "Message déjà écouté.",
        "mailbox-caller": "Numéro à rappeler.",
        "mailbox-withheld": "Numéro masqué.",
        "mailbox-keys": "Pour réécouter le message, tapez 1. Pour le message suivant, tapez 2. "
        "Pour effacer le message, tapez 3. Pour le garder comme nouveau, tapez 4. Pour terminer, tapez étoile.",
        "mailbox-erase": "Pour effacer ce message, tapez de nouveau 3. Pour le garder, tapez étoile.",
        "mailbox-erased": "Le message a été effacé.",
        "mailbox-kept": "Le message est gardé comme nouveau.",
        "mailbox-lost": "Ce message ne peut pas être écouté.",
        "mailbox-end": "Il n'y a plus de message.",
    },
    "en": {
        "mailbox-new-0": "You have no new messages.",
        "mailbox-new-1": "You have one new message.",
        **{
            f"mailbox-new-{count}": f"You have {word} new messages."
            for count, word in zip(_COUNTED, _EN, strict=True)
        },
        "mailbox-new-over-10": "You have more than ten new messages.",
        "mailbox-item-new": "New message.",
        "mailbox-item-heard": "Message already heard.",
        "mailbox-caller": "The caller's number.",
        "mailbox-withheld": "The number was withheld.",
        "mailbox-keys": "To hear the message again, press 1. For the next message, press 2. "
        "To erase the message, press 3. To keep it as new, press 4. To finish, press star.",
        "mailbox-erase": "To erase this message, press 3 again. To keep it, press star.",
        "mailbox-erased": "The message has been erased.",
        "mailbox-kept": "The message has been kept as new.",
        "mailbox-lost": "This message cannot be played.",
        "mailbox-end": "There are no more messages.",
    },
}
"""Per language: name of the notice → the text that is recorded for it."""


def count_notice(new: int) -> str:
    """Return the notice that says how many new messages there are."""
    return f"mailbox-new-{new}" if new in (0, 1) or new in _COUNTED else "mailbox-new-over-10"
