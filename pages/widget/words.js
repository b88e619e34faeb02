// Languages, and times as people say them.

/** Return the first of `wanted` that `words` has. */
export function language(words, ...wanted) {
  for (const text of wanted) {
    const short = (text || "").slice(0, 2).toLowerCase();
    if (words[short]) return short;
  }
  return "fr";
}

export const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

export const day = (lang, at, month = "long") =>
  new Intl.DateTimeFormat(lang, { weekday: "long", day: "numeric", month }).format(at);

export const time = (lang, at) => new Intl.DateTimeFormat(lang, { hour: "numeric", minute: "2-digit" }).format(at);

/** "mardi 24 novembre à 10:00", and only the time today. */
export function moment(lang, at) {
  const to = lang === "fr" ? " à " : " at ";
  const today = day(lang, at) === day(lang, new Date());
  return (today ? "" : day(lang, at)) + to.slice(today ? 1 : 0) + time(lang, at);
}
