// Elements of the page. Text goes in as text, never as markup; numbers for styles go in as custom properties.

/** `make("p", {class: "x", "aria-label": "y", on: {click}}, "text", child)`. */
export function make(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/** The same for drawings. */
export function draw(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

function fill(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "on") for (const [event, listen] of Object.entries(value)) element.addEventListener(event, listen);
    else if (key === "vars") for (const [name, set] of Object.entries(value)) element.style.setProperty(name, set);
    else if (value !== null && value !== undefined && value !== false)
      element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Set text only where it changed, so that nothing is read out or laid out for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Draw anew only where `parts` changed since the last time. */
export function whenChanged(render) {
  let before = null;
  return (...parts) => {
    if (before && parts.length === before.length && parts.every((part, i) => part === before[i])) return;
    before = parts;
    render(...parts);
  };
}
