/** Gives one text to all that are selected: where there is one already, only when that is asked for. */

import {fill} from "./announcing.js";
import {write} from "./painter.js";

const LENGTHS = {title: 200, alt_text: 500};

export class Bulk {
  #parts;
  #items;
  #texts;
  #editor;
  #setForAll;

  constructor(parts, items, texts, editor) {
    this.#parts = parts;
    this.#items = items;
    this.#texts = texts;
    this.#editor = editor;
    this.#setForAll = parts["bulk-set"].textContent;
    parts.bulk.addEventListener("submit", event => {
      event.preventDefault();
      this.#set(false);
    });
    parts.replace.addEventListener("click", () => this.#set(true));
    parts["bulk-field"].addEventListener("change", () => {
      parts["bulk-text"].maxLength = LENGTHS[this.#field];
      this.paint();
    });
  }

  get #field() {
    return this.#parts["bulk-field"].value;
  }

  /** Those of the selected that have no text yet, and those that have one. */
  #sides() {
    const [empty, filled] = [[], []];
    for (const item of this.#items.selected) (item.image[this.#field].trim() ? filled : empty).push(item);
    return {empty, filled};
  }

  #set(isReplacing) {
    const input = this.#parts["bulk-text"];
    input.value = input.value.trim();
    if (!input.reportValidity()) return; // nothing is no text
    const {empty, filled} = this.#sides();
    if (!isReplacing && !empty.length) this.#parts.replace.focus();
    for (const item of isReplacing ? [...empty, ...filled] : empty) {
      item.isKept = true;
      this.#editor.note(item, {[this.#field]: input.value});
    }
    this.#editor.flush();
  }

  paint() {
    const {replace, filled: note, "bulk-set": button} = this.#parts;
    const n = this.#sides().filled.length;
    replace.hidden = note.hidden = !n;
    write(button, n ? this.#texts.fillEmpty : this.#setForAll);
    write(note, fill(this.#texts.filled, {n}));
  }
}
