// One lab: what it is, and its steps with their tasks, hints and points.

import { element, withCode } from './dom.js';
import { bar, prerequisites, score } from './list.js';

export function labView(lab, texts, actions) {
  const started = Boolean(lab.folder); // there is a copy of one's own
  return [
    element('nav', { 'aria-label': texts.say('back') }, button(texts.say('back'), 'back', actions.list)),
    element('h1', { tabindex: '-1', 'data-key': 'heading' }, lab.title),
    element('p', {}, facts(lab, texts)),
    element('p', { class: 'academy-summary' }, score(lab, texts), ' ', bar(lab), ' ', texts.say(`state-${lab.shown_as}`)),
    buttons(lab, texts, actions, started),
    element('h2', {}, texts.say('objectives')),
    element('ul', {}, lab.objectives.map(objective => element('li', {}, withCode(objective)))),
    lab.prerequisites.length > 0 && element('h2', {}, texts.say('column-prerequisites')),
    lab.prerequisites.length > 0 && prerequisites(lab, texts),
    lab.azure.as_of && element('p', {}, texts.say('azure', azure(lab, texts))),
    element('h2', {}, texts.say('steps')),
    !started && element('p', {}, texts.say('start-first')),
    element('ol', { class: 'academy-steps' }, lab.steps.map(one => step(one, texts, actions, started)))
  ].filter(Boolean);
}

function facts(lab, texts) {
  return texts.say('facts', { id: lab.id, level: lab.level, minutes: lab.minutes, cell: lab.cell });
}

function azure({ azure: { minutes, usd, as_of: asOf } }, texts) {
  return { count: minutes, minutes: texts.number(minutes), usd: texts.number(usd, 2), as_of: asOf };
}

function button(text, key, onclick, attributes = {}) {
  return element('button', { 'data-key': key, onclick, ...attributes }, text);
}

function buttons(lab, texts, actions, started) {
  const tasks = lab.steps.flatMap(one => one.tasks);
  const primary = { class: 'academy-primary' };
  return element(
    'div',
    { class: 'academy-buttons', role: 'group', 'aria-label': lab.title },
    button(texts.say(started ? 'open' : 'start'), 'open', actions.open(lab), primary),
    started && tasks.length > 0 && button(texts.say('check-all'), 'check', actions.check(tasks)),
    started && button(texts.say('submit'), 'submit', actions.submit),
    started && button(texts.say('reset'), 'reset', actions.reset(null))
  );
}

function step(one, texts, actions, started) {
  const name = texts.say('reset-step-of', { step: one.title });
  return element(
    'li',
    {},
    element(
      'div',
      { class: 'academy-step' },
      element('h3', {}, withCode(one.title)),
      started && button(texts.say('reset-step'), `reset ${one.id}`, actions.reset(one), { 'aria-label': name })
    ),
    one.tasks.map(one => task(one, texts, actions, started))
  );
}

function task(one, texts, actions, started) {
  const counts = { attempts: one.attempts, hints: one.hints.length, of: one.hints_of };
  return element(
    'section',
    { class: `academy-task ${one.passed ? 'academy-passed' : ''}`, 'aria-labelledby': `academy-task-${one.id}` },
    element('h4', { id: `academy-task-${one.id}` }, one.title),
    element(
      'p',
      {},
      element('strong', {}, texts.say(one.passed ? 'task-done' : one.attempts ? 'task-not-yet' : 'task-open')),
      ` ${score(one, texts)}. ${texts.say('task-counts', counts)}`
    ),
    one.last_message && element('p', { class: 'academy-result' }, withCode(one.last_message)),
    one.hints.length > 0 && element('ol', { class: 'academy-hints', 'aria-label': texts.say('hints') }, hints(one)),
    one.solution && element('pre', { tabindex: '0', 'aria-label': texts.say('solution-label') }, one.solution),
    started && taskButtons(one, texts, actions)
  );
}

function hints(one) {
  return one.hints.map(hint => element('li', {}, withCode(hint)));
}

function taskButtons(one, texts, actions) {
  const named = key => ({ 'aria-label': texts.say(`${key}-of`, { title: one.title }) });
  const more = one.hints.length < one.hints_of;
  return element(
    'div',
    { class: 'academy-buttons' },
    button(texts.say('check'), `check ${one.id}`, actions.check([one]), named('check')),
    more && button(texts.say('hint'), `hint ${one.id}`, actions.hint(one), named('hint')),
    !one.solution && button(texts.say('solution'), `solution ${one.id}`, actions.solution(one), named('solution'))
  );
}
