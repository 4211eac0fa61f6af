// The page: which of its views is shown, what its buttons do, and what it says afterwards.

import { element, redraw, withCode } from './dom.js';
import { labView } from './lab.js';
import { listView } from './list.js';
import { NOT_LOADED } from './notebooks.js';

export class LabsPage {
  constructor({ jupyter, server, notebooks, texts }, onMove) {
    this._apputils = jupyter.apputils;
    this._server = server;
    this._notebooks = notebooks;
    this._texts = texts;
    this._onMove = onMove;
    this._busy = false;
    this.lab = null; // the id of the lab that is shown, or null for the list
    this._done = element('p', { role: 'status', class: 'academy-message' });
    this._failed = element('p', { role: 'alert', class: 'academy-message academy-failed' });
    this._view = element('div', { class: 'academy-view' });
    this.node = element(
      'div',
      { class: 'academy-labs', tabindex: '-1', lang: texts.language },
      this._done,
      this._failed,
      this._view
    );
  }

  // Go to the list (null) or to a lab.
  async show(lab) {
    const moved = lab !== this.lab;
    this.lab = lab;
    if (moved) {
      this._say('');
      this._onMove();
    }
    await this.refresh();
    if (moved && this.node.contains(document.activeElement)) {
      this._view.querySelector('h1')?.focus();
    }
  }

  // Ask the server anew: the notebook, the command line and other browsers move things too.
  async refresh() {
    const asked = this.lab;
    try {
      const found = asked === null ? await this._server.labs() : await this._server.lab(asked);
      if (asked === this.lab) {
        const view = asked === null ? listView : labView;
        redraw(this._view, ...view(found, this._texts, this._actions(found)));
        if (found.unknown) {
          this._fail(found.unknown);
        }
      }
    } catch (error) {
      this._fail(error.message);
    }
  }

  _actions(found) {
    const act = action => () => this._run(action);
    return {
      list: () => this.show(null),
      details: lab => () => this.show(lab.id),
      open: lab => act(() => this._open(lab)),
      check: tasks => act(() => this._check(found, tasks)),
      hint: task => act(() => this._hint(found, task)),
      solution: task => act(() => this._solution(found, task)),
      reset: step => act(() => this._reset(found, step)),
      submit: act(() => this._submit(found))
    };
  }

  // One action at a time. What it returns is said; what it throws is said as an error. Null is returned
  // by one that was called off: then nothing moved, and the next key must not wait for the server.
  async _run(action) {
    if (this._busy) {
      return;
    }
    this._busy = true;
    this.node.setAttribute('aria-busy', 'true');
    this._say(this._texts.say('working'));
    try {
      const said = await action();
      if (said !== null) {
        await this.refresh();
        this._say(said);
      }
    } catch (error) {
      this._fail(error.message);
    } finally {
      this._busy = false;
      this.node.removeAttribute('aria-busy');
    }
  }

  _say(text) {
    this._failed.replaceChildren();
    this._done.replaceChildren(...withCode(text));
  }

  _fail(text) {
    this._done.replaceChildren();
    this._failed.replaceChildren(...withCode(text));
  }

  async _open(lab) {
    const { notebook, folder, root } = await this._server.act(lab.id, 'open');
    if (!notebook) {
      throw new Error(this._texts.say('outside', { folder, root }));
    }
    await this._notebooks.open(notebook);
    return this._texts.say('opened', { title: lab.title });
  }

  async _check(lab, tasks) {
    const texts = [];
    for (const task of tasks) {
      const result = lab.notebook && (await this._notebooks.check(lab.notebook, task.id));
      if (!result) {
        return this._offerToOpen(lab);
      }
      if (result.error) {
        throw new Error(this._texts.say(result.error === NOT_LOADED ? 'not-loaded' : 'check-failed', result));
      }
      texts.push(result.text);
    }
    if (texts.length === 1) {
      return texts[0];
    }
    const { points, max_points: most } = await this._server.lab(lab.id);
    const number = value => this._texts.number(value);
    return this._texts.say('checked', { count: texts.length, points: number(points), most: number(most) });
  }

  async _offerToOpen(lab) {
    const wanted = await this._confirm('not-running', { title: lab.title });
    return wanted ? this._open(lab) : null;
  }

  async _hint(lab, task) {
    const hint = await this._server.act(lab.id, 'hint', { task: task.id });
    return this._texts.say('hint-given', { level: hint.level, of: hint.of, text: hint.text });
  }

  async _solution(lab, task) {
    if (!task.solution && !(await this._confirm('solution', { title: task.title }))) {
      return null;
    }
    const { text } = await this._server.act(lab.id, 'solution', { task: task.id });
    return this._texts.say(text ? 'solution-given' : 'solution-none', { title: task.title });
  }

  async _reset(lab, step) {
    const names = { title: lab.title, step: step?.title };
    if (!(await this._confirm(step ? 'reset-step' : 'reset', names, { warn: true }))) {
      return null;
    }
    await this._notebooks.save(lab.notebook);
    const { kept, removed } = await this._server.act(lab.id, 'reset', { step: step?.id ?? null });
    await this._notebooks.reread(lab.notebook, { restart: !step });
    const resources = removed.length > 0 ? this._texts.say('removed', { names: removed.join(', ') }) : '';
    return `${this._texts.say(kept ? 'reset-done' : 'reset-same', { ...names, kept })} ${resources}`.trim();
  }

  async _submit(lab) {
    await this._notebooks.save(lab.notebook);
    const { file, damage } = await this._server.act(lab.id, 'submit');
    return this._texts.say(damage ? 'submitted-damaged' : 'submitted', { file, damage });
  }

  // Ask in a dialog: `key`-title, `key`-text, `key`-accept. Escape is no.
  async _confirm(key, names, { warn = false } = {}) {
    const { Dialog, showDialog } = this._apputils;
    const accept = { label: this._texts.say(`${key}-accept`) };
    this._say('');
    const result = await showDialog({
      // Enter must not do by itself what cannot be undone.
      defaultButton: warn ? 0 : 1,
      title: this._texts.say(`${key}-title`, names),
      body: this._texts.say(`${key}-text`, names),
      buttons: [
        Dialog.cancelButton({ label: this._texts.say('cancel') }),
        warn ? Dialog.warnButton(accept) : Dialog.okButton(accept)
      ]
    });
    this._say(result.button.accept ? this._texts.say('working') : '');
    return result.button.accept;
  }
}
