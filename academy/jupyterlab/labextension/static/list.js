// The list: one row a lab, as `academy lab list` prints it.

import { element } from './dom.js';

export function listView({ labs, broken }, texts, actions) {
  const done = labs.filter(lab => lab.done).length;
  const sum = key => texts.number(labs.reduce((total, lab) => total + lab[key], 0));
  const summary = { done, count: labs.length, points: sum('points'), most: sum('max_points') };
  return [
    element('h1', { tabindex: '-1', 'data-key': 'heading' }, texts.say('title')),
    element('p', {}, texts.say('intro')),
    (labs.length > 0 || broken.length === 0) &&
      element('p', { class: 'academy-summary' }, texts.say(labs.length ? 'summary' : 'no-labs', summary)),
    ...broken.map(reason => element('p', { class: 'academy-failed' }, texts.say('lab-broken', { reason }))),
    labs.length > 0 && table(labs, texts, actions)
  ].filter(Boolean);
}

export function score(item, texts) {
  const values = { points: texts.number(item.points), most: texts.number(item.max_points) };
  return texts.say('points', { ...values, count: item.max_points });
}

// A bar beside a number that says the same; a screen reader is told the number.
export function bar(item) {
  return element('progress', { max: item.max_points || 1, value: item.points, 'aria-hidden': 'true' });
}

const COLUMNS = ['lab', 'level', 'minutes', 'cell', 'prerequisites', 'state', 'score', 'more'];

// Left out where the page is narrow.
const ASIDE = new Set(['level', 'minutes', 'cell', 'prerequisites']);

function table(labs, texts, actions) {
  const heads = COLUMNS.map(name =>
    element('th', { scope: 'col', class: ASIDE.has(name) && 'academy-aside' }, texts.say(`column-${name}`))
  );
  return element(
    'div',
    { class: 'academy-table' },
    element(
      'table',
      {},
      element('caption', {}, texts.say('table-caption')),
      element('thead', {}, element('tr', {}, heads)),
      element('tbody', {}, labs.map(lab => row(lab, texts, actions)))
    )
  );
}

function row(lab, texts, actions) {
  const title = element(
    'button',
    { class: 'academy-link', 'data-key': `open ${lab.id}`, onclick: actions.open(lab) },
    lab.title
  );
  const details = element(
    'button',
    {
      'data-key': `details ${lab.id}`,
      'aria-label': texts.say('details-of', { title: lab.title }),
      onclick: actions.details(lab)
    },
    texts.say('details')
  );
  return element(
    'tr',
    { 'data-lab': lab.id },
    element('th', { scope: 'row' }, title, element('span', { class: 'academy-id' }, lab.id)),
    element('td', { class: 'academy-aside' }, String(lab.level)),
    element('td', { class: 'academy-aside' }, String(lab.minutes)),
    element('td', { class: 'academy-aside' }, lab.cell),
    element('td', { class: 'academy-aside' }, prerequisites(lab, texts)),
    element('td', { class: 'academy-state' }, texts.say(`state-${lab.shown_as}`)),
    element('td', {}, element('span', { class: 'academy-score' }, score(lab, texts)), bar(lab)),
    element('td', {}, details)
  );
}

export function prerequisites(lab, texts) {
  if (lab.prerequisites.length === 0) {
    return texts.say('no-prerequisites');
  }
  // What is no lab of this collection has no progress: `met` is null.
  const items = lab.prerequisites.map(({ id, met }) =>
    element('li', {}, met === null ? id : texts.say(met ? 'prerequisite-met' : 'prerequisite-open', { id }))
  );
  return element('ul', { class: 'academy-prerequisites' }, items);
}
