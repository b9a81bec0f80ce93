/** What is uploaded or edited: items in the order of the drop, and sums that are kept, never counted anew. */

const SETTLED = new Set(["done", "failed", "cancelled", "duplicate"]);

/** States: waiting, sending, resting, checking, then done; or failed, cancelled, duplicate; or gone. */
export class Items {
  #changed;
  #ofImage = new Map();
  counts = {waiting: 0, sending: 0, resting: 0, checking: 0, done: 0, failed: 0, cancelled: 0, duplicate: 0, gone: 0};
  number = 0;
  total = 0; // bytes of what is or was under way
  loaded = 0; // bytes of it that have been sent
  missing = 0; // images without an alternative text
  retryable = 0; // those that may succeed when they are sent again
  used = 0; // those of which an image that was there already is used
  #usedHere = 0; // of these, those that are shown as items of their own
  selected = new Set();
  duplicates = null; // what was chosen for all of them

  constructor(changed) {
    this.#changed = changed;
  }

  add(item) {
    Object.assign(item, {state: "waiting", index: this.number, loaded: 0, errors: {}});
    this.number += 1;
    this.counts.waiting += 1;
    this.total += item.size;
    this.#changed(item);
    return item;
  }

  set(item, state, values = {}) {
    const before = this.canRetry(item);
    this.counts[item.state] -= 1;
    this.counts[state] += 1;
    Object.assign(item, values, {state});
    this.retryable += this.canRetry(item) - before;
    if (state === "gone") [this.total, this.loaded] = [this.total - item.size, this.loaded - item.loaded];
    else if (state === "waiting") this.progress(item, 0);
    else if (SETTLED.has(state)) this.progress(item, item.size);
    this.#changed(item);
  }

  progress(item, bytes) {
    const loaded = Math.min(bytes, item.size); // a form around the file is sent, too
    this.loaded += loaded - item.loaded;
    item.loaded = loaded;
    this.#changed(item);
  }

  /** Takes what is known of an item's image, from the server or from a field. */
  know(item, image) {
    const before = this.lacksText(item);
    item.image = {...item.image, ...image};
    this.missing += this.lacksText(item) - before;
    if (!this.#ofImage.has(item.image.id)) this.#ofImage.set(item.image.id, item);
    this.#changed(item);
  }

  /** Whether there is work to do: not on what others alone may change. */
  lacksText({image}) {
    return Boolean(image?.may_change && !image.alt_text);
  }

  /** Whether it was not refused for what it is. */
  canRetry({state, isHopeless}) {
    return state === "cancelled" || (state === "failed" && !isHopeless);
  }

  /** Whether another item shows this image already, as of a file that was dropped twice. */
  isShown(image) {
    return this.#ofImage.has(image.id);
  }

  /** Whether an image is known to hang in the gallery that an item goes to. */
  isInGallery(image, {gallery}) {
    const known = this.#ofImage.get(image.id);
    return Boolean(gallery) && (Number.isInteger(image.position) || known?.gallery === gallery);
  }

  /** Counts an item for which nothing new was kept. */
  countUsed(item, isShown) {
    this.used += 1;
    if (isShown) this.#usedHere += 1;
    this.#changed(item);
  }

  /** Files of which a new image was made, together with what was there before. */
  get made() {
    return this.counts.done - this.#usedHere;
  }

  select(item, isSelected) {
    item.isSelected = isSelected;
    this.selected[isSelected ? "add" : "delete"](item);
    this.#changed(item);
  }

  touch(item) {
    this.#changed(item);
  }

  get underWay() {
    return this.counts.waiting + this.counts.sending + this.counts.resting + this.counts.checking;
  }

  get problems() {
    return this.counts.failed + this.counts.cancelled + this.counts.duplicate;
  }
}
