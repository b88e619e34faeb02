"""What visitors are told, in each language: refusals, and how their request is. Codes are stable, texts are not."""

from __future__ import annotations

import msgspec

from controller.flow.prompts import LANGUAGES


class Said(msgspec.Struct, frozen=True):
    """A refusal in words: what is the matter, and what to do."""

    detail: str
    advice: str = ""


_CALL_US = "Appelez-nous, ou réessayez plus tard.", "Telephone us, or try again later."


def _pair(fr: str, fr_advice: str, en: str, en_advice: str) -> dict[str, Said]:
    return {"fr": Said(fr, fr_advice), "en": Said(en, en_advice)}


REFUSALS: dict[str, dict[str, Said]] = {
    "unknown_site": _pair(
        "Ce service de rappel n'existe pas.", "Vérifiez l'adresse de la page.",
        "There is no such call-back service.", "Check the address of the page.",
    ),
    "not_from_here": _pair(
        "Cette page ne peut pas utiliser ce service de rappel.", "Ouvrez la page de l'entreprise.",
        "This page may not use this call-back service.", "Open the company's own page.",
    ),
    "unknown_address": _pair(
        "Il n'y a rien à cette adresse.", "Vérifiez l'adresse.", "There is nothing at this address.", "Check it.",
    ),
    "wrong_method": _pair(
        "Cela ne peut pas être fait ici.", "Rechargez la page.", "This cannot be done here.", "Load the page again.",
    ),
    "invalid": _pair(
        "Une des valeurs du formulaire n'est pas valable.", "Vérifiez le formulaire, ou rechargez la page.",
        "A value of the form is not valid.", "Check the form, or load the page again.",
    ),
    "too_large": _pair(
        "Le formulaire est trop long.", "Écrivez plus court.", "The form is too long.", "Write less.",
    ),
    "too_many": _pair(
        "Trop de demandes ont été faites.", "Attendez un peu, ou appelez-nous.",
        "Too many requests have been made.", "Wait a while, or telephone us.",
    ),
    "work_missing": _pair(
        "Votre navigateur n'a pas terminé la vérification.", "Réessayez ; JavaScript doit être activé.",
        "Your browser has not finished the check.", "Try again; JavaScript must be switched on.",
    ),
    "work_wrong": _pair(
        "La vérification de votre navigateur a échoué.", "Réessayez, ou rechargez la page.",
        "Your browser's check has failed.", "Try again, or load the page again.",
    ),
    "work_expired": _pair(
        "Le formulaire est resté ouvert trop longtemps.", "Envoyez-le encore une fois.",
        "The form was open for too long.", "Send it once more.",
    ),
    "work_used": _pair(
        "Ce formulaire a déjà été envoyé plusieurs fois.", "Rechargez la page.",
        "This form has been sent several times already.", "Load the page again.",
    ),
    "too_fast": _pair(
        "Le formulaire a été envoyé très vite.", "Attendez quelques secondes et envoyez-le encore une fois.",
        "The form was sent very fast.", "Wait some seconds and send it once more.",
    ),
    "captcha_failed": _pair(
        "La question de vérification n'a pas été résolue.", "Répondez-y encore une fois.",
        "The question that tells people from programs was not solved.", "Answer it once more.",
    ),
    "key_missing": _pair(
        "La demande n'a pas de clé.", "Rechargez la page.", "The request has no key.", "Load the page again.",
    ),
    "key_reused": _pair(
        "Cette demande a déjà été faite avec un autre numéro.", "Rechargez la page pour en faire une nouvelle.",
        "This request was made with another number before.", "Load the page to make a new one.",
    ),
    "consent_missing": _pair(
        "Votre accord est nécessaire pour vous rappeler.", "Cochez la case, puis envoyez.",
        "Your consent is needed to call you.", "Tick the box, then send.",
    ),
    "consent_changed": _pair(
        "Le texte de l'accord a changé.", "Lisez-le, puis envoyez encore une fois.",
        "The text of the consent has changed.", "Read it, then send once more.",
    ),
    "number_missing": _pair(
        "Il manque le numéro de téléphone.", "Écrivez le numéro où vous rappeler.",
        "The telephone number is missing.", "Write the number to call.",
    ),
    "number_unreadable": _pair(
        "Ce n'est pas un numéro de téléphone.", "Écrivez-le en chiffres, comme 06 12 34 56 78 ou +33 6 12 34 56 78.",
        "This is not a telephone number.", "Write it in digits, such as 020 7946 0018 or +44 20 7946 0018.",
    ),
    "number_invalid": _pair(
        "Ce numéro n'existe pas dans ce pays.", "Vérifiez les chiffres et le pays.",
        "There is no such number in this country.", "Check the digits and the country.",
    ),
    "number_kind": _pair(
        "Nous ne rappelons pas ce type de numéro.", "Donnez un numéro fixe ou mobile ordinaire.",
        "We do not call this kind of number.", "Give an ordinary landline or mobile number.",
    ),
    "number_country": _pair(
        "Nous ne rappelons pas dans ce pays.", "Donnez un numéro d'un des pays proposés, ou appelez-nous.",
        "We do not call this country.", "Give a number of one of the countries offered, or telephone us.",
    ),
    "not_callable": _pair(
        "Nous ne pouvons pas appeler ce numéro.", "Appelez-nous.", "We cannot call this number.", "Telephone us.",
    ),
    "window": _pair(
        "Ce numéro ne peut pas être appelé à cette heure.", "Choisissez un autre moment.",
        "This number cannot be called at this hour.", "Choose another time.",
    ),
    "not_now": _pair(
        "Personne n'est libre tout de suite.", "Choisissez « dès que possible » ou un créneau.",
        "Nobody is free right now.", "Choose “as soon as possible” or a time.",
    ),
    "closed": _pair(
        "Nous sommes fermés en ce moment.", "Choisissez un créneau.",
        "We are closed at the moment.", "Choose a time.",
    ),
    "mode_off": _pair(
        "Ce n'est pas proposé sur cette page.", "Choisissez un autre moment.",
        "This is not offered on this page.", "Choose another time.",
    ),
    "slot_missing": _pair(
        "Il manque le créneau.", "Choisissez un créneau.", "The time is missing.", "Choose a time.",
    ),
    "slot_taken": _pair(
        "Ce créneau vient d'être pris.", "Choisissez-en un autre.",
        "This time has just been taken.", "Choose another.",
    ),
    "slot_unknown": _pair(
        "Ce créneau n'est plus proposé.", "Choisissez-en un autre.",
        "This time is offered no more.", "Choose another.",
    ),
    "zone_unknown": _pair(
        "Ce fuseau horaire n'existe pas.", "Écrivez par exemple Europe/Paris.",
        "There is no such time zone.", "Write one such as Europe/Paris.",
    ),
    "ticket_unknown": _pair(
        "Cette demande n'existe pas ou plus.", "Ouvrez le lien reçu, ou faites une nouvelle demande.",
        "There is no such request, or no more.", "Open the link you were given, or make a new request.",
    ),
    "too_late": _pair(
        "Il est trop tard : l'appel est en cours ou terminé.",
        "Répondez au téléphone, ou faites une nouvelle demande.",
        "It is too late: the call is under way or over.", "Answer the telephone, or make a new request.",
    ),
    "unavailable": _pair(
        "Le rappel n'est pas disponible pour le moment.", _CALL_US[0],
        "Call-backs are not available at the moment.", _CALL_US[1],
    ),
    "fault": _pair(
        "Une erreur s'est produite chez nous.", _CALL_US[0], "Something went wrong on our side.",
        _CALL_US[1],
    ),
}  # fmt: skip

STATES: dict[str, dict[str, str]] = {
    "scheduled": {"fr": "Nous vous appellerons à l'heure convenue.", "en": "We will call you at the time agreed."},
    "waiting": {"fr": "Nous vous appelons dès que possible.", "en": "We will call you as soon as possible."},
    "dialling": {"fr": "Nous composons votre numéro.", "en": "We are dialling your number."},
    "ringing": {"fr": "Votre téléphone sonne.", "en": "Your phone is ringing."},
    "answered": {"fr": "Vous avez décroché.", "en": "You have answered."},
    "connected": {"fr": "Vous êtes en ligne avec un conseiller.", "en": "You are talking with an adviser."},
    "done": {"fr": "L'appel est terminé. Merci !", "en": "The call is over. Thank you!"},
    "failed": {"fr": "Nous n'avons pas réussi à vous joindre.", "en": "We could not reach you."},
    "refused": {"fr": "Nous ne pouvons pas appeler ce numéro.", "en": "We cannot call this number."},
    "cancelled": {"fr": "La demande est annulée.", "en": "The request is cancelled."},
    "expired": {"fr": "La demande a expiré sans appel.", "en": "The request expired without a call."},
}


PAGE: dict[str, dict[str, str]] = {
    "fr": {
        "number": "Votre numéro de téléphone",
        "country": "Pays",
        "when": "Quand ?",
        "asap": "Dès que possible",
        "name": "Votre nom (facultatif)",
        "reason": "À quel sujet ? (facultatif)",
        "send": "Être rappelé",
        "reference": "Votre référence :",
        "keep": "Pour suivre ou annuler plus tard, gardez ce lien, sans le donner à personne :",
        "link": "ma demande",
        "code": "Le code de votre demande, à la fin du lien reçu",
        "look": "Où en est ma demande ?",
        "cancel": "Annuler la demande",
        "telephone": "Ou appelez-nous :",
        "privacy": "Ce que nous faisons de vos données",
        "script": "JavaScript est nécessaire pour demander un rappel ici en ce moment.",
    },
    "en": {
        "number": "Your telephone number",
        "country": "Country",
        "when": "When?",
        "asap": "As soon as possible",
        "name": "Your name (optional)",
        "reason": "What is it about? (optional)",
        "send": "Call me",
        "reference": "Your reference:",
        "keep": "To follow or cancel it later, keep this link, and give it to nobody:",
        "link": "my request",
        "code": "The code of your request, at the end of the link you were given",
        "look": "How is my request?",
        "cancel": "Cancel the request",
        "telephone": "Or telephone us:",
        "privacy": "What we do with your data",
        "script": "JavaScript is needed to ask for a call here at the moment.",
    },
}
NAMES = {"fr": "Français", "en": "English"}
DAYS = {
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
MONTHS = {
    "fr": (
        "janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre", "novembre",
        "décembre",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
        "December",
    ),
}  # fmt: skip


def said(code: str, language: str) -> Said:
    """Return the words of a refusal; those of a fault for a code that is not in the catalogue."""
    words = REFUSALS.get(code) or REFUSALS["fault"]
    return words.get(language) or words["en"]


def state_text(state: str, language: str) -> str:
    """Return how a request is, in words."""
    words = STATES.get(state) or STATES["waiting"]
    return words.get(language) or words["en"]


def language_of(header: str, spoken: tuple[str, ...]) -> str:
    """Return the language to speak with a browser that sends `Accept-Language: header`: the first that fits."""
    for item in header[:200].split(","):
        word = item.partition(";")[0].strip().lower().partition("-")[0]
        if word in spoken:
            return word
    return spoken[0] if spoken else LANGUAGES[0]
