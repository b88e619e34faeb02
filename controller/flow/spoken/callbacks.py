"""What callers hear who ask to be called back: whole sentences, and some words between dates and times."""

from __future__ import annotations

from collections.abc import Mapping

CHOICES = 5
"""Days or times in one menu: more are not remembered."""
MORE, BACK = "9", "*"

CALLBACKS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "callback-number": "Nous vous rappellerons au numéro suivant.",
        "callback-confirm": "Si ce numéro est le bon, tapez 1. Pour donner un autre numéro, tapez 2.",
        "callback-type": "Tapez le numéro de téléphone où nous pouvons vous rappeler, puis la touche dièse.",
        "callback-number-wrong": "Ce numéro de téléphone n'existe pas.",
        "callback-number-refused": "Nous ne pouvons pas appeler ce numéro.",
        "callback-no-input": "Nous n'avons pas reçu votre choix.",
        "callback-invalid": "Ce choix n'existe pas.",
        "callback-when": "Pour être rappelé dès que possible, tapez 1. Pour choisir un moment, tapez 2.",
        "callback-when-kept": "Pour être rappelé sans perdre votre tour, tapez 1. Pour choisir un moment, tapez 2.",
        "callback-when-asap": "Pour être rappelé dès que possible, tapez 1.",
        "callback-day": "Choisissez le jour.",
        "callback-time": "Choisissez une heure.",
        **{f"callback-press-{key}": f"Pour ce choix, tapez {key}." for key in range(1, CHOICES + 1)},
        "callback-more": "Pour d'autres propositions, tapez 9.",
        "callback-back": "Pour revenir, tapez étoile.",
        "callback-no-slot": "Il n'y a plus de moment libre.",
        "callback-slot-taken": "Ce moment vient d'être pris.",
        "callback-asap": "Nous vous rappellerons dès qu'un conseiller sera disponible.",
        "callback-kept": "Votre place dans la file d'attente est conservée.",
        "callback-on": "nous vous rappellerons le",
        "callback-today": "nous vous rappellerons aujourd'hui",
        "callback-tomorrow": "nous vous rappellerons demain",
        "today": "aujourd'hui",
        "tomorrow": "demain",
        "between": "entre",
        "callback-local-time": "C'est votre heure locale.",
        "callback-our-time": "Il s'agit de l'heure de notre centre.",
        "callback-noted": "Votre demande de rappel est enregistrée.",
        "callback-open": "Vous avez déjà une demande de rappel.",
        "callback-open-keys": "Pour garder cette demande, tapez 1. Pour changer de moment, tapez 2. "
        "Pour annuler cette demande, tapez 3.",
        "callback-cancelled": "Votre demande de rappel est annulée.",
        "callback-too-late": "Votre demande de rappel est déjà en cours.",
        "callback-never": "C'est noté. Nous ne vous appellerons plus.",
    },
    "en": {
        "callback-number": "We will call you back on the following number.",
        "callback-confirm": "If this number is right, press 1. To give another number, press 2.",
        "callback-type": "Please enter the telephone number we can call you back on, then press hash.",
        "callback-number-wrong": "There is no such telephone number.",
        "callback-number-refused": "We cannot call this number.",
        "callback-no-input": "We did not receive your choice.",
        "callback-invalid": "There is no such choice.",
        "callback-when": "To be called back as soon as possible, press 1. To choose a time, press 2.",
        "callback-when-kept": "To be called back without losing your place, press 1. To choose a time, press 2.",
        "callback-when-asap": "To be called back as soon as possible, press 1.",
        "callback-day": "Please choose the day.",
        "callback-time": "Please choose the time.",
        **{f"callback-press-{key}": f"Press {key}." for key in range(1, CHOICES + 1)},
        "callback-more": "For other times, press 9.",
        "callback-back": "To go back, press star.",
        "callback-no-slot": "There are no free times left.",
        "callback-slot-taken": "This time has just been taken.",
        "callback-asap": "We will call you back as soon as an adviser is free.",
        "callback-kept": "Your place in the line is kept.",
        "callback-on": "we will call you back on",
        "callback-today": "we will call you back today",
        "callback-tomorrow": "we will call you back tomorrow",
        "today": "today",
        "tomorrow": "tomorrow",
        "between": "between",
        "callback-local-time": "This is your local time.",
        "callback-our-time": "This is the local time of our centre.",
        "callback-noted": "Your request for a call back has been noted.",
        "callback-open": "You have already asked for a call back.",
        "callback-open-keys": "To keep this request, press 1. To choose another time, press 2. "
        "To cancel this request, press 3.",
        "callback-cancelled": "Your request for a call back has been cancelled.",
        "callback-too-late": "Your call back is already in progress.",
        "callback-never": "We will not call you any more.",
    },
}
"""Per language: name of the notice → the text that is recorded for it."""
