/** Reorders cards: by dragging their handle, by buttons, by Alt and an arrow key; and saves the order. */

import {proof, request} from "./transport.js";

const QUIET = 700; // milliseconds after the last move
const EDGE = 80; // pixels from the window's edge where dragging scrolls
const KEYS = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity};

export class Order {
  #list;
  #cards;
  #server;
  #tell;
  #say;
  #timer = 0;
  #isChanged = false;
  #hasMoved = false;
  #isSaving = false;

  constructor(list, cards, server, {tell, say}) {
    this.#list = list;
    this.#cards = cards;
    this.#server = server;
    this.#tell = tell;
    this.#say = say;
    list.addEventListener("click", event => this.#press(event));
    list.addEventListener("keydown", event => this.#key(event));
    list.addEventListener("pointerdown", event => this.#grasp(event));
    addEventListener("online", () => this.flush());
  }

  get isUnsaved() {
    return this.#isChanged || this.#isSaving;
  }

  #press(event) {
    const button = event.target.closest("[data-move]");
    if (!button) return;
    this.#step(button.closest("li"), Number(button.dataset.move));
    button.focus();
  }

  #key(event) {
    const step = KEYS[event.key];
    if (!event.altKey || !step || event.target.closest("input[type=text], textarea")) return;
    const item = this.#cards.itemOf(event.target);
    if (!item || item.card.parts.moves.hidden) return;
    event.preventDefault();
    const focused = document.activeElement;
    this.#step(item.card.root, step);
    focused.focus(); // moving an element takes the focus from what is in it
  }

  #step(card, step) {
    let other = card;
    for (let left = Math.abs(step); left > 0; left -= 1) {
      const next = this.#neighbour(other, step);
      if (!next) break;
      other = next;
    }
    if (other === card) return;
    other[step < 0 ? "before" : "after"](card);
    card.scrollIntoView({block: "nearest"});
    this.#moved(card);
  }

  #neighbour(card, step) {
    let other = card;
    do other = step < 0 ? other.previousElementSibling : other.nextElementSibling;
    while (other?.hidden);
    return other;
  }

  #grasp(event) {
    const handle = event.target.closest("[data-part=handle]");
    if (!handle || event.button !== 0) return;
    event.preventDefault();
    const card = handle.closest("li");
    const before = card.nextElementSibling;
    let [x, y, frame] = [event.clientX, event.clientY, 0];
    const follow = () => {
      frame = requestAnimationFrame(follow);
      if (y < EDGE) scrollBy(0, -12);
      else if (y > innerHeight - EDGE) scrollBy(0, 12);
      this.#slide(card, x, y);
    };
    const move = moved => { [x, y] = [moved.clientX, moved.clientY]; };
    const release = ended => {
      cancelAnimationFrame(frame);
      removeEventListener("pointermove", move);
      for (const name of ["pointerup", "pointercancel"]) removeEventListener(name, release);
      removeEventListener("keydown", giveUp);
      card.classList.remove("ia-up-dragged");
      if (ended.type !== "pointerup") this.#list.insertBefore(card, before);
      else if (card.nextElementSibling !== before) this.#moved(card);
    };
    const giveUp = pressed => { if (pressed.key === "Escape") release(pressed); };
    card.classList.add("ia-up-dragged");
    // On the window: an element that is moved in the document loses the pointer.
    addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) addEventListener(name, release);
    addEventListener("keydown", giveUp);
    follow();
  }

  /** Puts a card to where the pointer is, on the side of its neighbour that the pointer is past. */
  #slide(card, x, y) {
    const over = document.elementFromPoint(x, y)?.closest("li");
    if (!over || over === card || over.parentElement !== this.#list) return;
    const isLater = card.compareDocumentPosition(over) & Node.DOCUMENT_POSITION_FOLLOWING;
    over[isLater ? "after" : "before"](card);
  }

  #moved(card) {
    const item = this.#cards.itemOf(card);
    const shown = [...this.#list.children].filter(each => !each.hidden);
    this.#say(item, shown.indexOf(card) + 1, shown.length);
    [this.#isChanged, this.#hasMoved] = [true, true];
    this.#tell("unsaved");
    this.#later(QUIET);
  }

  /** For when more images have come since: the places that they got know of no move. */
  again() {
    if (!this.#hasMoved) return;
    this.#isChanged = true;
    this.#later(0);
  }

  #later(wait) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), wait);
  }

  async flush() {
    clearTimeout(this.#timer);
    if (!this.#isChanged || this.#isSaving) return;
    [this.#isChanged, this.#isSaving] = [false, true];
    this.#tell("saving");
    const failed = (await this.#post()).find(answer => answer.status !== 200);
    this.#isSaving = false;
    if (failed) {
      this.#isChanged = true;
      this.#tell("unsavable", failed.data?.error?.message);
    } else if (this.#isChanged) this.#later(0);
    else this.#tell("saved");
  }

  /** One request for each gallery: on a page with a choice, there may be several. */
  #post() {
    return Promise.all([...groups(this.#arrived())].map(([gallery, items]) => request("POST", this.#server.orderUrl(gallery), {
      body: JSON.stringify({images: items.map(item => item.image.id)}),
      headers: {"Content-Type": "application/json", ...proof(this.#server)},
    })));
  }

  #arrived() {
    return this.#cards.inOrder().filter(item => item.state === "done" && item.gallery);
  }
}

function groups(items) {
  const found = new Map();
  for (const item of items) {
    if (!found.has(item.gallery)) found.set(item.gallery, []);
    found.get(item.gallery).push(item);
  }
  return found;
}
