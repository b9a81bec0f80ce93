/** Saves titles, texts and focal points by itself, all that has changed in one request. */

import {proof, request} from "./transport.js";

const QUIET = 900; // milliseconds after the last key
const AGAIN = 5000; // likewise, after the line was broken
const MOST = 500; // images in one request

export class Editor {
  #items;
  #server;
  #tell;
  #changed = new Map(); // item: {field: value}
  #timer = 0;
  #isSaving = false;
  #hasErrors = false;

  /** `tell(state)` says what became of it: unsaved, saving, saved, unsavable, invalid. */
  constructor(items, server, tell) {
    this.#items = items;
    this.#server = server;
    this.#tell = tell;
    addEventListener("online", () => this.flush());
  }

  get isUnsaved() {
    return this.#isSaving || this.#changed.size > 0;
  }

  note(item, values, wait = QUIET) {
    if (!item.image?.may_change) return;
    this.#changed.set(item, {...this.#changed.get(item), ...values});
    for (const field of Object.keys(values)) delete item.errors[field];
    this.#items.know(item, values);
    if (!this.#isSaving) this.#tell("unsaved");
    this.#later(wait);
  }

  async flush() {
    clearTimeout(this.#timer);
    if (this.#isSaving || !this.#changed.size) return;
    const sent = new Map([...this.#changed].slice(0, MOST));
    for (const item of sent.keys()) this.#changed.delete(item);
    this.#isSaving = true;
    this.#tell("saving");
    const answer = await this.#post(sent);
    this.#isSaving = false;
    if (answer.status === 200) this.#take(sent, answer.data);
    else this.#giveBack(sent, answer);
  }

  async #post(sent) {
    const images = [...sent].map(([item, values]) => ({id: item.image.id, ...values}));
    return request("POST", this.#server.editUrl, {
      body: JSON.stringify({images}),
      headers: {"Content-Type": "application/json", ...proof(this.#server)},
    });
  }

  #take(sent, {images, errors}) {
    const saved = new Map(images.map(image => [image.id, image]));
    this.#hasErrors = false;
    for (const item of sent.keys()) {
      const problems = errors[item.image.id] ?? {};
      item.errors = Object.fromEntries(
        Object.entries(problems).map(([field, said]) => [field === "title" ? field : "alt_text", said.join(" ")]),
      );
      this.#hasErrors ||= Object.keys(problems).length > 0;
      const image = saved.get(item.image.id);
      // What has been typed meanwhile is newer than what the server knows.
      if (image) this.#items.know(item, {...image, ...this.#changed.get(item)});
      else this.#items.touch(item);
    }
    if (this.#changed.size) this.#later(0);
    else this.#tell(this.#hasErrors ? "invalid" : "saved");
  }

  #giveBack(sent, answer) {
    for (const [item, values] of sent) this.#changed.set(item, {...values, ...this.#changed.get(item)});
    this.#tell("unsavable", answer.data?.error?.message);
    if (answer.status === 0 || answer.status >= 500) this.#later(AGAIN);
  }

  #later(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), wait);
  }
}

/** Lets the focal point of a picture be set by a click, or moved by the arrow keys. */
export function listenForFocalPoints(list, cards, editor, say) {
  const steps = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};
  const inside = value => Math.round(Math.min(1, Math.max(0, value)) * 1000) / 1000;
  list.addEventListener("click", event => {
    const button = event.target.closest("[data-part=focal]");
    if (!button || button.disabled || !event.detail) return; // 0: by a key, which is nowhere
    const box = button.getBoundingClientRect();
    const [x, y] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
    editor.note(cards.itemOf(button), {focal_x: inside(x), focal_y: inside(y)});
  });
  list.addEventListener("keydown", event => {
    const button = event.target.closest("[data-part=focal]");
    const step = steps[event.key];
    if (!button || !step || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const item = cards.itemOf(button);
    const width = event.shiftKey ? 0.01 : 0.05;
    editor.note(item, {
      focal_x: inside(item.image.focal_x + step[0] * width),
      focal_y: inside(item.image.focal_y + step[1] * width),
    });
    say(item);
  });
}
