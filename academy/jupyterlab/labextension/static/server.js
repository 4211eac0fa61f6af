// What the page asks of Academy's server extension.

export class AcademyServer {
  constructor(services, coreutils, language) {
    this._connection = services.ServerConnection;
    this._settings = services.ServerConnection.makeSettings();
    this._join = coreutils.URLExt.join;
    this._language = language;
  }

  strings() {
    return this._request('strings');
  }

  labs() {
    return this._request('labs');
  }

  lab(id) {
    return this._request(`labs/${id}`);
  }

  // `verb` is start, open, hint, solution, reset or submit.
  act(id, verb, body = {}) {
    return this._request(`labs/${id}/${verb}`, { method: 'POST', body: JSON.stringify(body) });
  }

  async _request(path, init = {}) {
    const url = new URL(this._join(this._settings.baseUrl, 'academy', path), window.location.href);
    if (this._language) {
      url.searchParams.set('language', this._language);
    }
    // Adds the token and the XSRF header, as for all of JupyterLab's own requests.
    const response = await this._connection.makeRequest(url.href, init, this._settings);
    const answer = await response.json().catch(() => null);
    if (!response.ok) {
      throw new Error(answer?.message ?? `${response.status} ${response.statusText}`);
    }
    return answer;
  }
}
