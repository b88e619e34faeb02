"""What the controller itself may have to say to a caller, whatever the centre contains.

They are recorded with the fragments, so that an apology never depends on an operator's file.
"""

from __future__ import annotations

from collections.abc import Mapping

NOTICES: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "excuse": "Nous sommes désolés, un incident technique interrompt votre appel. Merci de rappeler plus tard.",
        "overload": "Nous recevons actuellement beaucoup d'appels. Merci de rappeler dans quelques minutes.",
        "unknown-number": "Le numéro que vous avez composé n'est pas attribué. Merci de vérifier votre numéro.",
    },
    "en": {
        "excuse": "We are sorry, a technical problem keeps us from going on. Please call again later.",
        "overload": "We are receiving a lot of calls at the moment. Please call again in a few minutes.",
        "unknown-number": "The number you have dialled is not in service. Please check the number.",
    },
}
"""Per language: name of the notice → the text that is recorded for it."""
