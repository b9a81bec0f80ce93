/** Brings what has changed to the page, a few milliseconds of it in each frame. */

const BUDGET = 8; // milliseconds of a frame

export class Painter {
  #paint;
  #finish;
  #changed = new Set();
  #frame = 0;

  /** `paint(item)` brings one item up to date, `finish()` what is said of all of them. */
  constructor(paint, finish) {
    this.#paint = paint;
    this.#finish = finish;
  }

  change(item) {
    if (item) this.#changed.add(item);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const start = performance.now();
    this.#frame = 0;
    for (const item of this.#changed) {
      this.#changed.delete(item);
      this.#paint(item);
      if (performance.now() - start > BUDGET) break;
    }
    this.#finish();
    if (this.#changed.size) this.change();
  }
}

/** Writes a text where there is another one: a text that is written anew may be read out anew. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
