// What JupyterLab loads: the commands, where they are offered, and the page's place in the window.

import { LABS_ICON } from './icon.js';
import { Notebooks } from './notebooks.js';
import { LabsPage } from './page.js';
import { AcademyServer } from './server.js';
import { Texts } from './texts.js';

const OPEN_PAGE = 'academy:labs';
const FOLLOW_ADDRESS = 'academy:labs-of-address';
const PAGE_ID = 'academy-labs';
const ROOM_FOR_TWO_PX = 1000;

// The lab's id in /lab?academy=00-run-quickstart, or nothing for the list.
const ADDRESS = /[?&]academy=([a-z0-9-]*)/;

export function makePlugin(jupyter, here) {
  return {
    id: 'academy-labs:plugin',
    description: 'The labs of Academy.',
    autoStart: true,
    requires: [jupyter.docmanager.IDocumentManager, jupyter.notebook.INotebookTracker],
    optional: [
      jupyter.application.ILabShell,
      jupyter.settings.ISettingRegistry,
      jupyter.application.ILayoutRestorer,
      jupyter.application.IRouter,
      jupyter.launcher.ILauncher,
      jupyter.apputils.ICommandPalette,
      jupyter.mainmenu.IMainMenu
    ],
    activate: async (app, docManager, tracker, shell, settings, restorer, router, launcher, palette, menu) => {
      if (!shell) {
        return; // Jupyter Notebook shows one document a window; there is no place for a page beside it.
      }
      addStyle(new URL('labs.css', here));
      const server = new AcademyServer(jupyter.services, jupyter.coreutils, await chosenLocale(settings));
      const { language, strings } = await server.strings().catch(noServer);
      const labs = {
        jupyter,
        app,
        server,
        notebooks: new Notebooks(app, docManager, tracker),
        texts: new Texts(language, strings),
        icon: new jupyter.ui.LabIcon({ name: 'academy:labs', svgstr: LABS_ICON })
      };
      const place = new PagePlace(labs);
      addCommands(labs, place, router);
      restorer?.restore(place.tracker, {
        command: OPEN_PAGE,
        name: () => PAGE_ID,
        args: () => ({ lab: place.page?.lab ?? null })
      });
      offer(labs, { launcher, palette, menu });
      addNotebookButton(labs, tracker);
    }
  };
}

function noServer(error) {
  throw new Error(
    'academy-labs: Academy does not answer in this Jupyter server ' +
      `(${error.message}). Run: python -m academy.jupyterlab install`
  );
}

function addStyle(url) {
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.href = url.href;
  document.head.append(link);
}

// The language set in JupyterLab; null when it is left to the server, which then decides for us too.
async function chosenLocale(settings) {
  const found = await settings?.load('@jupyterlab/translation-extension:plugin').catch(() => null);
  const locale = found?.get('locale').composite;
  return !locale || locale === 'default' ? null : locale;
}

// The one page, and the tab that holds it. A closed tab is made anew when it is asked for.
class PagePlace {
  constructor(labs) {
    this._labs = labs;
    this.page = null;
    this._tab = null;
    this.tracker = new labs.jupyter.apputils.WidgetTracker({ namespace: PAGE_ID });
    const refresh = () => this._tab?.isVisible && this.page.refresh();
    labs.app.shell.currentChanged?.connect(refresh);
    window.addEventListener('focus', refresh);
    labs.jupyter.notebook.NotebookActions.executed.connect((_, { cell }) => {
      if (cell.model.getMetadata('academy')?.check) {
        refresh();
      }
    });
  }

  // Show the list, or a lab; beside its notebook where there is one.
  open({ lab, beside }) {
    const { app } = this._labs;
    if (!this._tab || this._tab.isDisposed) {
      this._make();
    }
    // Beside the notebook where there is room for both; a tab that hides behind it moves there.
    if (beside && !this._tab.isVisible && window.innerWidth >= ROOM_FOR_TWO_PX) {
      app.shell.add(this._tab, 'main', { mode: 'split-right', ref: beside });
    } else if (!this._tab.isAttached) {
      app.shell.add(this._tab, 'main');
    }
    app.shell.activateById(this._tab.id);
    return this.page.show(lab ?? null);
  }

  _make() {
    const { jupyter, texts, icon } = this._labs;
    this.page = new LabsPage(this._labs, () => this.tracker.save(this._tab));
    const content = new jupyter.widgets.Widget({ node: this.page.node });
    this._tab = new jupyter.apputils.MainAreaWidget({ content });
    this._tab.id = PAGE_ID;
    this._tab.title.label = texts.say('title');
    this._tab.title.icon = icon;
    this._tab.title.closable = true;
    this._tab.toolbar.hide();
    content.node.setAttribute('aria-label', texts.say('title')); // in place of "main area content"
    void this.tracker.add(this._tab);
  }
}

function addCommands({ app, texts, icon }, place, router) {
  app.commands.addCommand(OPEN_PAGE, {
    label: texts.say('command'),
    caption: texts.say('command-caption'),
    icon: args => (args.isPalette ? undefined : icon),
    execute: args => place.open(args)
  });
  if (!router) {
    return;
  }
  app.commands.addCommand(FOLLOW_ADDRESS, {
    execute: async ({ path, search }) => {
      const lab = search.match(ADDRESS)[1];
      await app.restored;
      await place.open({ lab: lab || null });
      router.navigate(path, { skipRouting: true });
    }
  });
  router.register({ command: FOLLOW_ADDRESS, pattern: ADDRESS, rank: 40 });
}

function offer({ texts }, { launcher, palette, menu }) {
  const category = texts.say('category');
  launcher?.add({ command: OPEN_PAGE, category, rank: 0 });
  palette?.addItem({ command: OPEN_PAGE, category, args: { isPalette: true } });
  menu?.fileMenu.addGroup([{ command: OPEN_PAGE }], 0);
}

// A button in the toolbar of each notebook that is a lab.
function addNotebookButton({ app, jupyter, texts, icon }, tracker) {
  tracker.widgetAdded.connect(async (_, panel) => {
    await panel.context.ready;
    const lab = panel.context.model.getMetadata('academy')?.lab;
    if (!lab || panel.isDisposed) {
      return;
    }
    const button = new jupyter.apputils.ToolbarButton({
      label: texts.say('notebook-button'),
      tooltip: texts.say('notebook-button-caption'),
      icon,
      onClick: () => app.commands.execute(OPEN_PAGE, { lab, beside: panel.id })
    });
    panel.toolbar.insertBefore('spacer', 'academy-lab', button);
  });
}
