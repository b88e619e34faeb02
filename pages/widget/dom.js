// Elements without markup: every text is a text node, so hostile text stays text and Trusted Types have nothing to say.

/** Make an element: `tag` may carry a class, as in "p.error"; props whose value is a function are listeners. */
export function h(tag, props = {}, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) {
    element.className = classes.join(" ");
    element.setAttribute("part", classes.join(" "));
  }
  for (const [key, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(key, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value || value === 0) element.setAttribute(key, value);
  }
  element.append(...children.flat().filter((child) => child || child === 0));
  return element;
}
