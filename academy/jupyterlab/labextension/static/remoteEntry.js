// The container that JupyterLab asks for this extension. A bundler would write this file; there is
// nothing to bundle here: the modules beside it are loaded by the browser, and JupyterLab's own
// packages come from the scope that it shares with its extensions (webpack's module federation).
(() => {
  const here = new URL('.', document.currentScript.src);
  let scope = {};

  // JupyterLab gives each package once a version; all but rare ones have a single version.
  async function shared(name) {
    const versions = Object.values(scope[name] ?? {});
    if (versions.length === 0) {
      throw new Error(`JupyterLab does not share ${name}; academy-labs is made for JupyterLab 4.`);
    }
    const chosen = versions.find(version => version.loaded) ?? versions[versions.length - 1];
    return (await chosen.get())();
  }

  const PACKAGES = {
    application: '@jupyterlab/application',
    apputils: '@jupyterlab/apputils',
    coreutils: '@jupyterlab/coreutils',
    docmanager: '@jupyterlab/docmanager',
    launcher: '@jupyterlab/launcher',
    mainmenu: '@jupyterlab/mainmenu',
    notebook: '@jupyterlab/notebook',
    services: '@jupyterlab/services',
    settings: '@jupyterlab/settingregistry',
    ui: '@jupyterlab/ui-components',
    widgets: '@lumino/widgets'
  };

  async function packages() {
    const loaded = Object.entries(PACKAGES).map(async ([key, name]) => [key, await shared(name)]);
    return Object.fromEntries(await Promise.all(loaded));
  }

  window._JUPYTERLAB = window._JUPYTERLAB ?? {};
  window._JUPYTERLAB['academy-labs'] = {
    init: shareScope => {
      scope = shareScope;
    },
    get: async module => {
      if (module !== './extension') {
        throw new Error(`academy-labs has no module ${module}; it has ./extension.`);
      }
      const { makePlugin } = await import(new URL('plugin.js', here).href);
      const plugin = makePlugin(await packages(), here);
      return () => ({ __esModule: true, default: plugin });
    }
  };
})();
