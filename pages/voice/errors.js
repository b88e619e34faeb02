// What can go wrong, in words that help. Every error can be followed by "call me instead".

const TEXTS = {
  fr: {
    unsupported: "Ce navigateur ne permet pas de parler depuis la page.",
    insecure: "Le micro ne fonctionne que sur une page sécurisée (https).",
    microphone_denied: "Le micro est refusé. Autorisez-le dans la barre d’adresse, puis réessayez.",
    microphone_missing: "Aucun micro n’a été trouvé. Branchez-en un, puis réessayez.",
    microphone_busy: "Le micro est utilisé par un autre programme. Fermez-le, puis réessayez.",
    network: "Pas de connexion au standard. Vérifiez votre réseau, puis réessayez.",
    media: "Votre réseau bloque le son. Faites-vous plutôt appeler.",
    lost: "La connexion a été coupée.",
    refused: "L’appel n’est pas possible pour le moment.",
    not_now: "Plus personne n’est libre pour le moment.",
    too_many: "Trop d’appels en ce moment. Réessayez plus tard.",
    bad_ticket: "Cet appel a expiré. Recommencez.",
    unanswered: "Personne n’a répondu.",
  },
  en: {
    unsupported: "This browser cannot talk from a page.",
    insecure: "The microphone works on a secure page (https) only.",
    microphone_denied: "The microphone is not allowed. Allow it in the address bar, then try again.",
    microphone_missing: "No microphone was found. Plug one in, then try again.",
    microphone_busy: "Another program uses the microphone. Close it, then try again.",
    network: "The call centre cannot be reached. Check your network, then try again.",
    media: "Your network blocks the sound. Have us call you instead.",
    lost: "The connection was lost.",
    refused: "A call is not possible at the moment.",
    not_now: "Nobody is free any more just now.",
    too_many: "Too many calls just now. Try again later.",
    bad_ticket: "This call has expired. Start again.",
    unanswered: "Nobody answered.",
  },
};

/** An error with a stable `code`, `text` for the visitor, and whether to offer to be called `instead`. */
export class VoiceError extends Error {
  constructor(code, language) {
    const texts = TEXTS[String(language).slice(0, 2)] ?? TEXTS.en;
    super(texts[code] ?? texts.refused);
    this.name = "VoiceError";
    this.code = code;
    this.text = this.message;
    this.instead = true;
  }
}
