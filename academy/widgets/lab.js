// The lab's overview. All that it shows is in the model's `view`, in words and made in Python; clicks go
// to the kernel as messages. What is only here: which questions are open, and which button waits.

const PATIENCE_MS = 3000;

export default { render };

function render({ model, el }) {
  const ui = { asking: null, busy: new Map(), details: new Set() };
  const root = node("section", { class: "academy-lab" });
  const live = node("p", { class: "academy-lab-hidden", role: "status", "aria-live": "polite" });
  const notice = node("p", { class: "academy-lab-notice", role: "alert" });
  const body = node("div");
  root.append(live, notice, body);
  el.append(root);

  const labels = () => model.get("view").labels;
  const draw = () => keepingFocus(body, () => body.replaceChildren(...content(model.get("view"), ui, act)));
  const say = (text) => (notice.textContent = text);

  function act(kind, task) {
    const key = `${kind}:${task}`;
    if (kind === "ask" || kind === "unask") {
      ui.asking = kind === "ask" ? task : null;
      draw();
      focusOn(body, kind === "ask" ? `solution:${task}` : `ask:${task}`);
      return;
    }
    if (ui.busy.has(key)) return;
    if (kind === "solution") ui.asking = null;
    ui.busy.set(key, setTimeout(() => say(labels().waiting), PATIENCE_MS));
    draw();
    if (kind === "solution") focusOn(body, `ask:${task}`);
    send({ kind, task });
  }

  function send(message) {
    try {
      model.send(message);
    } catch {
      settle();
      say(labels().gone);
    }
  }

  function settle() {
    for (const timer of ui.busy.values()) clearTimeout(timer);
    ui.busy.clear();
    draw();
  }

  function onAnswer(message) {
    if (message.kind !== "answer") return;
    settle();
    say(message.error || "");
    // The same words twice are news too; a live region speaks only when its text changes.
    live.textContent = live.textContent === message.text ? `${message.text}\u00a0` : message.text;
  }

  model.on("change:view", draw);
  model.on("msg:custom", onAnswer);
  draw();
  return () => {
    for (const timer of ui.busy.values()) clearTimeout(timer);
    model.off("change:view", draw);
    model.off("msg:custom", onAnswer);
  };

  function content(view, state, onAct) {
    root.lang = view.language;
    root.setAttribute("aria-label", view.region);
    return [header(view), facts(view, state), steps(view, state, onAct)];
  }
}

function header(view) {
  const bar = node("progress", { max: 1, value: view.share, "aria-label": view.labels.points });
  bar.setAttribute("aria-valuetext", view.share_text);
  return node("header", {}, [
    node("h3", {}, [view.title]),
    node("p", { class: "academy-lab-about" }, [badge(view.state, view.state_text), view.about]),
    bar,
  ]);
}

function facts(view, ui) {
  const rows = view.facts.map((fact) =>
    node("div", {}, [
      node("dt", {}, [fact.term]),
      node("dd", {}, [
        node("span", { class: "academy-lab-value" }, [fact.value]),
        fact.note && node("small", {}, [fact.note]),
        fact.details.length && more(view.labels["azure.details"], fact, ui),
      ]),
    ]),
  );
  return node("dl", { class: "academy-lab-facts" }, rows);
}

function more(label, fact, ui) {
  const key = `details:${fact.term}`;
  const shown = node("details", { open: ui.details.has(key) }, [
    node("summary", { "data-key": key }, [label]),
    node("ul", {}, fact.details.map((text) => node("li", {}, [text]))),
  ]);
  shown.addEventListener("toggle", () => ui.details[shown.open ? "add" : "delete"](key));
  return shown;
}

function steps(view, ui, act) {
  const items = view.steps.map((step) =>
    node("li", { class: "academy-lab-step", "data-state": step.state }, [
      node("div", { class: "academy-lab-line" }, [
        node("span", { class: "academy-lab-step-title" }, [step.title]),
        badge(step.state, step.state_text),
      ]),
      ...step.tasks.map((one) => task(one, view.labels, ui, act)),
    ]),
  );
  return node("div", {}, [
    node("h4", {}, [view.labels.steps]),
    node("ol", { class: "academy-lab-steps" }, items),
  ]);
}

function task(one, labels, ui, act) {
  const points = [one.points, one.checks].filter(Boolean).join(", ");
  return node("article", { class: "academy-lab-task", "aria-label": one.title }, [
    node("h5", {}, [one.title]),
    node("p", { class: "academy-lab-about" }, [badge(one.state, one.state_text), points]),
    outcome(one),
    buttons(one, labels, ui, act),
    one.hints.length && node("ul", { class: "academy-lab-hints" }, one.hints.map((text) => node("li", {}, prose(text)))),
    solution(one, labels, ui, act),
  ]);
}

function outcome(one) {
  if (one.state === "done" || !one.message) return null;
  if (!one.result.length) return node("p", { class: "academy-lab-message" }, prose(one.message));
  return node(
    "dl",
    { class: "academy-lab-result" },
    one.result.flatMap(([term, text]) => [node("dt", {}, [term]), node("dd", {}, prose(text))]),
  );
}

function buttons(one, labels, ui, act) {
  const checking = ui.busy.has(`check:${one.id}`);
  return node("div", { class: "academy-lab-buttons" }, [
    button(`check:${one.id}`, checking ? labels["check.busy"] : labels.check, one.check_name, {
      class: one.state === "done" ? null : "academy-lab-main",
      "aria-busy": checking,
      onclick: () => act("check", one.id),
    }),
    one.more_hints &&
      button(`hint:${one.id}`, labels.hint, one.hint_name, {
        "aria-busy": ui.busy.has(`hint:${one.id}`),
        onclick: () => act("hint", one.id),
      }),
    !one.more_hints && node("span", { class: "academy-lab-note", tabindex: -1, "data-key": `hint:${one.id}` }, [labels["hint.all"]]),
    button(`ask:${one.id}`, labels.solution, one.solution_name, {
      "aria-expanded": ui.asking === one.id || one.solution !== "",
      onclick: () => act(ui.asking === one.id ? "unask" : one.solution_seen ? "solution" : "ask", one.id),
    }),
  ]);
}

function solution(one, labels, ui, act) {
  if (ui.asking === one.id) return question(one, labels, act);
  if (one.solution)
    return node("figure", {}, [
      node("figcaption", {}, [labels["solution.title"]]),
      node("pre", { tabindex: 0, role: "group", "aria-label": one.solution_name, "data-key": `shown:${one.id}` }, [
        node("code", {}, [one.solution]),
      ]),
    ]);
  return one.solution_seen && node("p", { class: "academy-lab-note" }, [labels["solution.seen"]]);
}

function question(one, labels, act) {
  const asked = node("div", { class: "academy-lab-question", role: "group", "aria-label": labels["solution.ask"] }, [
    node("p", {}, [labels["solution.ask"]]),
    node("div", { class: "academy-lab-buttons" }, [
      button(`solution:${one.id}`, labels["solution.yes"], null, { onclick: () => act("solution", one.id) }),
      button(`unask:${one.id}`, labels["solution.no"], null, { onclick: () => act("unask", one.id) }),
    ]),
  ]);
  asked.addEventListener("keydown", (event) => {
    if (event.key === "Escape") act("unask", one.id);
  });
  return asked;
}

function badge(state, text) {
  return node("span", { class: "academy-lab-badge", "data-state": state }, [text]);
}

function button(key, text, name, { onclick, ...attributes }) {
  const made = node("button", { type: "button", "data-key": key, "aria-label": name, ...attributes }, [text]);
  made.addEventListener("click", onclick);
  return made;
}

// Hints and messages name code between backticks.
function prose(text) {
  return text.split(/(`[^`]+`)/).map((part) => (/^`.+`$/.test(part) ? node("code", {}, [part.slice(1, -1)]) : part));
}

// An attribute that is false, null or undefined is left out, but for ARIA's, where false is a value.
function node(name, attributes = {}, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value == null || (value === false && !key.startsWith("aria-"))) continue;
    made.setAttribute(key, value === true && !key.startsWith("aria-") ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== false && child !== undefined && child !== 0 && child !== ""));
  return made;
}

// What is drawn anew has the focus where it was: at the element of the same key.
function keepingFocus(body, change) {
  const key = body.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  change();
  if (key) focusOn(body, key);
}

function focusOn(body, key) {
  body.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}
