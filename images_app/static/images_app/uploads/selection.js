/** Which images are chosen to be given one text: by checkboxes, a range with Shift, or all that are shown. */

import {write} from "./painter.js";

export class Selection {
  #parts;
  #items;
  #cards;
  #last = null;

  constructor(parts, items, cards) {
    this.#parts = parts;
    this.#items = items;
    this.#cards = cards;
    parts.list.addEventListener("click", event => {
      if (event.target.dataset.part === "select") this.#toggle(event.target, event.shiftKey);
    });
    parts["select-all"].addEventListener("change", event => {
      for (const item of this.#shown()) items.select(item, event.target.checked);
    });
    parts.unselect.addEventListener("click", () => {
      for (const item of [...items.selected]) items.select(item, false);
      parts["select-all"].focus();
    });
  }

  #shown() {
    return this.#cards.inOrder().filter(item => this.#cards.isShown(item) && item.image.may_change);
  }

  #toggle(box, isRange) {
    const item = this.#cards.itemOf(box);
    const shown = isRange && this.#last ? this.#shown() : [];
    const [from, to] = [shown.indexOf(this.#last), shown.indexOf(item)].sort((a, b) => a - b);
    const range = from >= 0 ? shown.slice(from, to + 1) : [item];
    for (const each of range) this.#items.select(each, box.checked);
    this.#last = item;
  }

  /** Lets go of what a filter has taken out of sight: nobody changes what they do not see. */
  keepShown() {
    for (const item of [...this.#items.selected]) if (!this.#cards.isShown(item)) this.#items.select(item, false);
  }

  paint(text) {
    const {selected, counts} = this.#items;
    const {bulk, selected: label} = this.#parts;
    const all = this.#parts["select-all"];
    bulk.hidden = !selected.size;
    write(label, text);
    all.checked = selected.size > 0 && selected.size >= counts.done;
    all.indeterminate = selected.size > 0 && !all.checked;
  }
}
