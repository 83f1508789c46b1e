// Builds elements. Texts become text nodes, so nothing that a server or a user wrote is read as HTML.

/** `h("p", { class: "note" }, "text", element)`; properties that begin with `on` are listeners. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false));
  return element;
}

/** Tells screen readers what all others see in the page, outside of the focus. */
export const announce = (text) => say("announcer", text);

let fading;

/** Tells everybody for a while what a button has done. */
export function toast(text) {
  clearTimeout(fading);
  say("toast", text);
  fading = setTimeout(() => say("toast", ""), 8000);
}

function say(id, text) {
  const place = document.getElementById(id);
  place.textContent = "";
  // A region is read out when its text changes, so the same text twice needs a moment in between.
  setTimeout(() => (place.textContent = text), 50);
}

/** A button that cannot be pressed twice while its work is going on. */
export function button(label, work, properties = {}) {
  const element = h("button", { type: "button", ...properties }, label);
  element.addEventListener("click", () => busy(element, work));
  return element;
}

export async function busy(element, work) {
  if (element.getAttribute("aria-disabled") === "true") return;
  // Not `disabled`: that would take the focus away.
  element.setAttribute("aria-disabled", "true");
  element.classList.add("is-busy");
  try {
    await work();
  } finally {
    element.removeAttribute("aria-disabled");
    element.classList.remove("is-busy");
  }
}

/** Asks a question with two answers. Resolves to whether the action was chosen. */
export function confirm({ title, text, action }) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-labelledby": "dialog-title", "aria-describedby": "dialog-text" },
      h("h2", { id: "dialog-title" }, title),
      h("p", { id: "dialog-text" }, text),
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", class: "danger", onclick: () => dialog.close("yes") }, action),
        h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, "Cancel"),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
