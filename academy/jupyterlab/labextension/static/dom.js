// Elements without a framework, and a redraw that keeps the keyboard's place.

// Make an element: element('button', { class: 'x', onclick: f, 'data-key': 'k' }, 'text', child, …).
// An attribute that is null or false is left out; so is a child that is.
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) {
      continue;
    }
    if (name.startsWith('on')) {
      node.addEventListener(name.slice(2), value);
    } else {
      node.setAttribute(name, value === true ? '' : value);
    }
  }
  node.append(...children.flat().filter(child => child !== null && child !== undefined && child !== false));
  return node;
}

// Put new children into a node. The control that has the focus keeps it: its `data-key` finds it again.
export function redraw(node, ...children) {
  const active = document.activeElement;
  const key = node.contains(active) ? active.dataset.key : null;
  const top = node.scrollTop;
  node.replaceChildren(...children);
  node.scrollTop = top;
  if (key) {
    const again = node.querySelector(`[data-key="${CSS.escape(key)}"]`) ?? node.querySelector('h1');
    again.focus({ preventScroll: true });
  }
}

// Turn the `code` of Markdown in a hint into <code>; everything else stays text.
export function withCode(text) {
  return text.split(/(`[^`]+`)/).filter(Boolean).map(part =>
    part.length > 2 && part.startsWith('`') && part.endsWith('`')
      ? element('code', {}, part.slice(1, -1))
      : part
  );
}
