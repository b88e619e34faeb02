"""A small centre for the simulator's tests."""

from __future__ import annotations

from controller.flow.loader import compile_release

CENTRE = """
numbers:
  "+33123456789": {flow: accueil, language: fr}
  "+33123456790": {flow: anglais, language: en}
zone: Europe/Paris
calendars:
  bureau: {hours: {mon-fri: [08:30-12:30, 13:30-18:00]}, holidays: FR}
extensions:
  "201": {endpoint: paul}
http: {hosts: [crm.example]}
"""
ACCUEIL = """
flow: accueil
start: horaires
languages: [fr, en]
prompts:
  menu: {fr: "Tapez un, deux, trois ou zéro.", en: "Press one, two, three or zero."}
  num: {fr: "Votre numéro, puis dièse.", en: "Your number, then hash."}
  encore: {fr: "Je n'ai pas compris.", en: "Sorry."}
  ferme: {fr: "Nous sommes fermés.", en: "We are closed."}
  important: {fr: "Cet appel est enregistré.", en: "This call is recorded."}
  au_revoir: {fr: "Au revoir.", en: "Goodbye."}
  solde:
    fr: ["Votre solde est de", {amount: solde, currency: EUR}]
    en: ["You have", {amount: solde, currency: EUR}]
steps:
  horaires: {type: hours, calendar: bureau, open: menu, closed: ferme}
  menu:
    type: menu
    prompt: menu
    choices: {1: important, 2: client, 3: libre, 0: conseiller, "*": anglais}
    no_input: {prompt: encore, then: conseiller}
    invalid: {prompt: encore, then: conseiller}
  important: {type: say, prompt: important, bargein: false, next: menu}
  libre: {type: collect, prompt: num, digits: {min: 2, max: 4}, bargein: false, save: libre, next: menu, failed: menu}
  client:
    type: collect
    prompt: num
    digits: {min: 4, max: 8, end: "#"}
    save: num
    secret: true
    next: crm
    failed: conseiller
  crm:
    type: http
    post: https://crm.example/customers
    body: {num: num}
    timeout: 2s
    save: {solde: body.solde, vip: body.vip}
    next: tri
    failed: conseiller
  tri:
    type: switch
    cases:
      - {when: vip == true, go: conseiller}
    else: solde
  solde: {type: say, prompt: solde, next: menu}
  conseiller: {type: dial, extension: "201", next: fin, busy: ferme, no_answer: ferme, failed: ferme}
  ferme: {type: say, prompt: ferme, next: fin}
  anglais: {type: language, to: en, next: menu}
  fin: {type: hangup, prompt: au_revoir}
"""
ANGLAIS = """
flow: anglais
start: hello
languages: [en]
human_exit: {none: a test}
prompts: {hello: {en: "Hello there."}}
steps:
  hello: {type: say, prompt: hello, next: end}
  end: {type: hangup}
"""


def release(**flows):
    sources = {"centre.yaml": CENTRE, "accueil.yaml": ACCUEIL, "anglais.yaml": ANGLAIS, **flows}
    return compile_release({name: text.encode() for name, text in sources.items()}, {})
