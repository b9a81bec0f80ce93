/** Three at a time, in the order of the drop; one can be taken out at any moment. */

import {discard, Refused, send} from "./transport.js";

const WIDTH = 3; // requests at a time
const HOPELESS = new Set([400, 413]); // of the file itself, which stays what it is

export class Queue {
  #items;
  #server;
  #texts;
  #waiting = [];
  #head = 0;
  #running = new Map();

  constructor(items, server, texts) {
    this.#items = items;
    this.#server = server;
    this.#texts = texts;
  }

  add(item) {
    this.#waiting.push(item);
    this.#fill();
  }

  retry(item, values = {}) {
    this.#items.set(item, "waiting", values);
    this.add(item);
  }

  cancel(item) {
    const controller = this.#running.get(item);
    if (!controller && item.state !== "waiting") return;
    this.#items.set(item, "cancelled", {reason: this.#texts.cancelled});
    controller?.abort();
  }

  cancelAll() {
    const waiting = this.#waiting.slice(this.#head);
    const running = [...this.#running.keys()];
    [this.#waiting, this.#head] = [[], 0];
    for (const item of [...running, ...waiting]) this.cancel(item);
  }

  /** Takes an item off for good. */
  drop(item) {
    discard(item, this.#server);
    this.#items.set(item, "gone", {file: null});
  }

  #fill() {
    while (this.#running.size < WIDTH && this.#head < this.#waiting.length) {
      const item = this.#waiting[this.#head];
      this.#waiting[this.#head] = null;
      this.#head += 1;
      if (item.state === "waiting" && !this.#running.has(item)) this.#run(item);
    }
    if (this.#head === this.#waiting.length) [this.#waiting, this.#head] = [[], 0];
  }

  async #run(item) {
    const controller = new AbortController();
    this.#running.set(item, controller);
    const unlessOver = state => !controller.signal.aborted && this.#items.set(item, state);
    this.#items.set(item, "sending");
    try {
      const image = await send(item, this.#server, {
        signal: controller.signal,
        onProgress: bytes => {
          if (controller.signal.aborted) return;
          this.#items.progress(item, bytes);
          const state = item.loaded < item.size ? "sending" : "checking";
          if (item.state !== state) unlessOver(state);
        },
        onRest: () => unlessOver("resting"),
      });
      item.location = null; // it is no part of an upload any more
      const isShown = this.#items.isShown(image);
      if (item.there?.some(({id}) => id === image.id)) this.#items.countUsed(item, !isShown);
      if (isShown) this.drop(item);
      else this.#finish(item, image);
    } catch (error) {
      if (!controller.signal.aborted) this.#explain(item, error);
    }
    this.#running.delete(item);
    if (controller.signal.aborted && item.state === "waiting") this.#waiting.push(item);
    this.#fill();
  }

  #finish(item, image) {
    this.#items.know(item, image);
    this.#items.set(item, "done", {file: null, name: image.file_name || item.name});
  }

  #explain(item, error) {
    const isRefused = error instanceof Refused;
    if (isRefused && error.code === "duplicate") {
      const reached = this.#items.duplicates;
      if (reached === "skip") return this.drop(item);
      if (reached) {
        this.#items.set(item, "waiting", {duplicates: reached, there: error.images});
        this.#waiting.push(item);
        return undefined;
      }
      const isHere = error.images.some(image => this.#items.isInGallery(image, item));
      const reason = isHere ? `${error.message} ${this.#texts.here}` : error.message;
      return this.#items.set(item, "duplicate", {reason, there: error.images});
    }
    const reason = error.message || (isRefused ? this.#texts.failed : this.#texts.lost);
    // What came garbled may come whole the next time.
    const isHopeless = isRefused && HOPELESS.has(error.status) && error.code !== "unreadable";
    return this.#items.set(item, "failed", {reason, isHopeless});
  }
}
