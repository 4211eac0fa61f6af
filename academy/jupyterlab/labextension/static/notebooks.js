// The learner's notebooks: open them, check tasks in their kernels, keep them in step with a reset.

// The kernel runs, but no cell of the notebook has loaded Academy yet.
export const NOT_LOADED = 'not loaded';

export class Notebooks {
  constructor(app, docManager, tracker) {
    this._app = app;
    this._docManager = docManager;
    this._tracker = tracker;
  }

  // The environment's own Python: a lab loads Academy itself, with the line that it shows.
  open(path, options = {}) {
    return this._docManager.openOrReveal(path, 'Notebook', { name: 'python3' }, options);
  }

  // Return the open panel of a notebook, or undefined.
  panel(path) {
    return this._tracker.find(panel => panel.context.path === path);
  }

  // Write what is on the screen to disk, before something looks at the file.
  async save(path) {
    const context = this.panel(path)?.context;
    if (context?.model.dirty) {
      await context.save();
    }
  }

  // Show what is on disk now; after a reset of all of it, begin with an empty kernel too.
  async reread(path, { restart }) {
    const panel = this.panel(path);
    if (!panel) {
      return;
    }
    await panel.context.revert();
    if (restart) {
      await panel.sessionContext.session?.kernel?.restart();
    }
  }

  // Run check("task") in the notebook's kernel. Returns null when no kernel runs for it, else
  // { text } as the check shows it, or { error }: NOT_LOADED, or what the kernel said.
  async check(path, task) {
    const kernel = await this._kernel(path);
    if (!kernel) {
      return null;
    }
    try {
      return await this._execute(kernel.connection, `check(${JSON.stringify(task)})`);
    } finally {
      kernel.dispose();
    }
  }

  // A kernel may run without a tab here: it was opened in another browser, or its tab was closed.
  async _kernel(path) {
    const own = this.panel(path)?.sessionContext.session?.kernel;
    if (own) {
      return { connection: own, dispose: () => {} };
    }
    const sessions = this._app.serviceManager.sessions;
    await sessions.refreshRunning();
    for (const model of sessions.running()) {
      if (model.path === path && model.kernel) {
        const session = sessions.connectTo({ model });
        return { connection: session.kernel, dispose: () => session.dispose() };
      }
    }
    return null;
  }

  async _execute(kernel, code) {
    const result = { text: '', error: '' };
    const future = kernel.requestExecute({ code, store_history: false, allow_stdin: false });
    future.onIOPub = message => {
      const content = message.content;
      if (['display_data', 'execute_result'].includes(message.header.msg_type)) {
        result.text = content.data['text/plain'] ?? result.text;
      } else if (message.header.msg_type === 'error') {
        const unloaded = content.ename === 'NameError' && content.evalue.includes("'check'");
        result.error = unloaded ? NOT_LOADED : `${content.ename}: ${content.evalue}`;
      }
    };
    await future.done;
    return result;
  }
}
