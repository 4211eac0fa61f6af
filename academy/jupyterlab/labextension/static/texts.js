// The interface's texts, as the server gives them in the learner's language.

export class Texts {
  constructor(language, strings) {
    this.language = language;
    this._strings = strings;
  }

  // Return a text, filled in; `.one` and `.other` are chosen by `count`.
  say(key, values = {}) {
    const plural = `${key}.${Number(values.count) === 1 ? 'one' : 'other'}`;
    const text = this._strings[key] ?? this._strings[plural] ?? key;
    return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
  }

  number(value, digits) {
    const options =
      digits === undefined
        ? { maximumFractionDigits: 2 }
        : { minimumFractionDigits: digits, maximumFractionDigits: digits };
    return new Intl.NumberFormat(this.language, options).format(value);
  }
}
