/** Says things to those who do not see them: the newest of what there is to say, not all of it. */

const SOON = 300; // milliseconds
const NOW_AND_THEN = 5000; // likewise, for what changes all the time

export class Announcer {
  #element;
  #text = "";
  #timer = 0;
  #isUrgent = false;

  constructor(element) {
    this.#element = element;
  }

  /** What somebody has just done, or waits for. */
  say(text) {
    if (!this.#isUrgent) clearTimeout(this.#timer);
    if (!this.#isUrgent || !this.#timer) this.#timer = setTimeout(() => this.#speak(), SOON);
    [this.#text, this.#isUrgent] = [text, true];
  }

  /** How far it has come. */
  mention(text) {
    if (this.#isUrgent) return;
    this.#text = text;
    this.#timer ||= setTimeout(() => this.#speak(), NOW_AND_THEN);
  }

  #speak() {
    [this.#timer, this.#isUrgent] = [0, false];
    this.#element.textContent = this.#text;
  }
}

/** Fills the places of a sentence; a name is a text like any other. */
export function fill(sentence, values) {
  return sentence.replaceAll(/\{(\w+)\}/g, (_place, name) => String(values[name]));
}
