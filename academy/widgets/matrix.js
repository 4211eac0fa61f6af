// The decision matrix: a grid of four environments, what lives in the chosen one, and questions. All words
// are made in Python; the answers go to the kernel as the model's `needs`, and its `answer` comes back.

const PATIENCE_MS = 5000;

export default { render };

function render({ model, el }) {
  const view = model.get("view");
  const labels = view.labels;
  const cellOf = new Map(view.cells.map((cell) => [cell.id, cell]));
  const ui = { chosen: null, open: new Map(), timer: null };

  const root = node("section", { class: "academy-matrix", lang: view.language, "aria-label": labels.region });
  const live = node("p", { class: "academy-matrix-hidden", role: "status", "aria-live": "polite" });
  const notice = node("p", { class: "academy-matrix-notice", role: "alert" });
  const grid = node("div");
  const detail = node("div");
  const answers = node("div");
  const questions = form(view, model.get("needs"), ask, again);
  root.append(
    node("h3", {}, [labels.title]),
    node("p", {}, [`${labels.intro} ${labels["compute.means"]}`]),
    grid,
    detail,
    questions.element,
    notice,
    answers,
    live,
  );
  el.append(root);

  const drawGrid = () => keepingFocus(grid, () => grid.replaceChildren(table(view, model.get("answer"), ui, choose)));
  const drawDetail = () => detail.replaceChildren(...(ui.chosen ? [panel(cellOf.get(ui.chosen), labels, ui)] : []));
  const drawAnswer = () =>
    keepingFocus(answers, () => answers.replaceChildren(...result(model.get("answer"), model.get("needs"), labels, ui)));

  function choose(id) {
    ui.chosen = ui.chosen === id ? null : id;
    drawGrid();
    drawDetail();
    speak(ui.chosen ? cellOf.get(id).name : "");
  }

  // What the kernel has been asked already, it does not answer again.
  function ask(needs) {
    if (JSON.stringify(needs) === JSON.stringify(model.get("needs"))) return;
    clearTimeout(ui.timer);
    ui.timer = setTimeout(() => (notice.textContent = labels.waiting), PATIENCE_MS);
    try {
      model.set("needs", needs);
      model.save_changes();
    } catch {
      clearTimeout(ui.timer);
      notice.textContent = labels.gone;
    }
  }

  function again() {
    questions.fill({});
    ask({});
  }

  function onAnswer() {
    clearTimeout(ui.timer);
    const answer = model.get("answer");
    notice.textContent = answer.error || "";
    speak(answer.error ? "" : answer.summary || labels["answer.ask"]);
    drawGrid();
    drawAnswer();
  }

  function onNeeds() {
    questions.fill(model.get("needs"));
  }

  // The same words twice are news too; a live region speaks only when its text changes.
  function speak(text) {
    live.textContent = live.textContent === text ? `${text}\u00a0` : text;
  }

  model.on("change:answer", onAnswer);
  model.on("change:needs", onNeeds);
  notice.textContent = model.get("answer").error || "";
  drawGrid();
  drawAnswer();
  return () => {
    clearTimeout(ui.timer);
    model.off("change:answer", onAnswer);
    model.off("change:needs", onNeeds);
  };
}

function table(view, answer, ui, choose) {
  const ranked = new Map((answer.cells ?? []).map((cell) => [cell.id, cell]));
  const head = node("tr", {}, [
    node("td"),
    ...view.columns.map((column) => node("th", { scope: "col" }, [column.text])),
  ]);
  const rows = view.rows.map((row) =>
    node("tr", {}, [
      node("th", { scope: "row" }, [row.text]),
      ...view.columns.map((column) => {
        const cell = view.cells.find((one) => one.row === row.value && one.column === column.value);
        return node("td", {}, [tile(cell, ranked.get(cell.id), ui, choose)]);
      }),
    ]),
  );
  return node("table", { class: "academy-matrix-grid" }, [
    node("caption", { class: "academy-matrix-hidden" }, [view.labels.title]),
    node("thead", {}, [head]),
    node("tbody", {}, rows),
  ]);
}

function tile(cell, ranked, ui, choose) {
  const made = node(
    "button",
    {
      type: "button",
      class: "academy-matrix-tile",
      "aria-pressed": ui.chosen === cell.id,
      "data-key": `cell:${cell.id}`,
      "data-state": ranked?.state,
    },
    [
      node("span", { class: "academy-matrix-name" }, [cell.name]),
      node("span", { class: "academy-matrix-small" }, [cell.count]),
      ranked && badge(ranked),
    ],
  );
  made.addEventListener("click", () => choose(cell.id));
  return made;
}

function panel(cell, labels, ui) {
  return node("section", { class: "academy-matrix-panel", "aria-label": cell.name }, [
    node("h4", {}, [cell.name]),
    factList(cell.facts),
    node("h5", {}, [labels["cell.services"]]),
    ...cell.services.map((service) => fold(`service:${service.id}`, service.name, ui, [
      node("p", {}, [service.summary]),
      factList(service.facts),
      ...levels(service.levels),
    ])),
    node("h5", {}, [labels["cell.resources"]]),
    ...levels(cell.levels),
  ]);
}

function factList(facts) {
  return node(
    "dl",
    { class: "academy-matrix-facts" },
    facts.flatMap(([term, said]) => [
      node("dt", {}, [term]),
      node("dd", {}, Array.isArray(said) ? [node("ul", {}, said.map((text) => node("li", {}, [text])))] : [said]),
    ]),
  );
}

function levels(found) {
  return found.map((level) =>
    node("div", { class: "academy-matrix-level" }, [
      node("span", { class: "academy-matrix-term" }, [level.title]),
      node("ul", {}, level.entries.map((one) =>
        node("li", {}, [
          node("a", { href: one.url, target: "_blank", rel: "noopener noreferrer" }, [one.title]),
          ` (${one.note})`,
        ]),
      )),
    ]),
  );
}

// Fields that are asked for one stage only are hidden, and say nothing, in the other.
function form(view, needs, ask, again) {
  const labels = view.labels;
  const fields = new Map();
  const prefix = `academy-matrix-${Math.random().toString(36).slice(2)}`;
  const element = node("form", { class: "academy-matrix-form", "aria-label": labels["needs.title"] }, [
    node("h4", {}, [labels["needs.title"]]),
    node("div", { class: "academy-matrix-questions" }, view.questions.map((question) => {
      const made = question.kind === "one" ? select(question, `${prefix}-${question.field}`) : boxes(question);
      fields.set(question.field, { question, ...made });
      return made.element;
    })),
    button("again", labels["needs.reset"], again),
  ]);
  element.addEventListener("submit", (event) => event.preventDefault());
  element.addEventListener("change", () => {
    const said = collect();
    show(said.stage);
    ask(said);
  });

  function collect() {
    const stage = fields.get("stage").get();
    const said = {};
    for (const [name, field] of fields) {
      if (field.question.stage && field.question.stage !== stage) continue;
      const value = field.get();
      if (value === "" || value === false || value.length === 0) continue;
      said[name] = value;
    }
    return said;
  }

  function show(stage) {
    for (const field of fields.values()) {
      field.element.hidden = Boolean(field.question.stage) && field.question.stage !== stage;
    }
  }

  function fill(given) {
    for (const [name, field] of fields) field.set(given[name]);
    show(fields.get("stage").get());
  }

  fill(needs);
  return { element, fill };
}

function select(question, id) {
  const has = (value) => question.options.some((option) => option.value === value);
  const unsaid = has(question.default) ? [] : [node("option", { value: "" }, ["–"])];
  const control = node("select", { id, "data-key": `need:${question.field}` }, [
    ...unsaid,
    ...question.options.map((option) => node("option", { value: option.value }, [option.text])),
  ]);
  const element = node("div", { class: "academy-matrix-question" }, [
    node("label", { for: id }, [question.text]),
    control,
  ]);
  const set = (value) => (control.value = has(value) ? value : question.default);
  return { element, get: () => control.value, set };
}

function boxes(question) {
  const controls = question.options.map((option) => node("input", { type: "checkbox", value: option.value }));
  const element = node("fieldset", { class: "academy-matrix-question academy-matrix-wide" }, [
    node("legend", {}, [question.text]),
    ...controls.map((control, index) => node("label", {}, [control, ` ${question.options[index].text}`])),
  ]);
  if (question.kind === "yes") {
    return { element, get: () => controls[0].checked, set: (value) => (controls[0].checked = Boolean(value)) };
  }
  return {
    element,
    get: () => controls.filter((control) => control.checked).map((control) => control.value),
    set: (values) => controls.forEach((control) => (control.checked = (values ?? []).includes(control.value))),
  };
}

function result(answer, needs, labels, ui) {
  if (answer.error) return [];
  const text = answer.summary || (needs.stage ? "" : labels["answer.ask"]);
  return [
    node("h4", {}, [labels["answer.title"]]),
    node("p", {}, [text]),
    ...(answer.notes ?? []).map((note) => node("p", {}, [note])),
    ...(answer.cells ?? []).map((cell) => ranking(cell, labels, ui)),
  ];
}

function ranking(cell, labels, ui) {
  const fitting = cell.services.filter((one) => one.state !== "refused");
  const refused = cell.services.filter((one) => one.state === "refused");
  return node("section", { class: "academy-matrix-ranked", "data-state": cell.state, "aria-label": cell.name }, [
    node("h5", {}, [cell.name, " ", badge(cell)]),
    reasons(cell),
    ...group(labels["answer.services"], fitting, cell, ui),
    ...group(labels["answer.refused_services"], refused, cell, ui),
  ]);
}

function group(title, services, cell, ui) {
  if (!services.length) return [];
  return [
    node("p", { class: "academy-matrix-term" }, [title]),
    ...services.map((one) => {
      const isBest = cell.state === "best" && one.state === "best";
      return fold(`ranked:${cell.id}:${one.id}`, one.name, ui, [reasons(one)], isBest);
    }),
  ];
}

function reasons(one) {
  return node("ul", { class: "academy-matrix-reasons" }, one.reasons.map((reason) =>
    node("li", { "data-weight": reason.weight }, [
      reason.said && node("span", { class: "academy-matrix-weight" }, [`${reason.said}: `]),
      reason.text,
    ]),
  ));
}

// Open as somebody left it; what nobody has touched, as `open` says.
function fold(key, title, ui, children, open = false) {
  const summary = node("summary", { "data-key": key }, [title]);
  const made = node("details", { open: ui.open.get(key) ?? open }, [summary, ...children]);
  summary.addEventListener("click", () => ui.open.set(key, !made.open));
  return made;
}

function badge(ranked) {
  return node("span", { class: "academy-matrix-badge", "data-state": ranked.state }, [ranked.badge]);
}

function button(key, text, onclick) {
  const made = node("button", { type: "button", "data-key": key }, [text]);
  made.addEventListener("click", onclick);
  return made;
}

// An attribute that is false, null or undefined is left out, but for ARIA's, where false is a value.
function node(name, attributes = {}, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value == null || (value === false && !key.startsWith("aria-"))) continue;
    made.setAttribute(key, value === true && !key.startsWith("aria-") ? "" : value);
  }
  made.append(...children.filter((child) => child));
  return made;
}

// What is drawn anew has the focus where it was: at the element of the same key.
function keepingFocus(body, change) {
  const key = body.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  change();
  if (key) body.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}
