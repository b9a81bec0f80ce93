/** The uploader: what is dropped, pasted or chosen goes up, three files at a time, and is described and ordered. */

import {Announcer, fill} from "./uploads/announcing.js";
import {Bulk} from "./uploads/bulk.js";
import {Cards} from "./uploads/cards.js";
import {Editor, listenForFocalPoints} from "./uploads/editing.js";
import {Items} from "./uploads/items.js";
import {Order} from "./uploads/ordering.js";
import {Painter, write} from "./uploads/painter.js";
import {Queue} from "./uploads/queue.js";
import {Selection} from "./uploads/selection.js";
import {listen} from "./uploads/sources.js";

const NO_GALLERY = "00000000-0000-0000-0000-000000000000"; // stands in the address of any
const GRAVITY = ["saved", "unsaved", "saving", "invalid", "unsavable"];

class Uploader {
  constructor(root) {
    this.root = root;
    this.parts = {};
    for (const part of root.querySelectorAll("[data-up]")) this.parts[part.dataset.up] = part;
    this.texts = textsOf(root.dataset);
    this.server = serverOf(root);
    this.announcer = new Announcer(this.parts.live);
    this.painter = new Painter(item => this.cards.paint(item), () => this.paintSums());
    this.items = new Items(item => this.painter.change(item));
    this.cards = new Cards(this.parts, this.items, this.texts, Boolean(root.dataset.orderUrl));
    this.queue = new Queue(this.items, this.server, this.texts);
    this.selection = new Selection(this.parts, this.items, this.cards);
    this.states = {text: "saved", order: "saved"};
    this.editor = new Editor(this.items, this.server, (state, said) => this.tell("text", state, said));
    this.bulk = new Bulk(this.parts, this.items, this.texts, this.editor);
    this.order = new Order(this.parts.list, this.cards, this.server, {
      tell: (state, said) => this.tell("order", state, said),
      say: (item, place, total) => this.say("moved", {name: item.image.title || item.name, place, total}),
    });
    this.galleries = given("ia-up-galleries", {});
    this.places = new Map();
    this.taking = Promise.resolve();
    this.uploads = 0; // files that were taken
    this.shown = 0; // images that were there before
    this.listen();
    this.takeOver();
  }

  /** Puts the script's page into the place of the one that needs none. */
  takeOver() {
    const {form, plain, help, lead, or, drop, work} = this.parts;
    document.querySelector("[data-uploader-plain]")?.remove();
    for (const part of [lead, or]) part?.removeAttribute("hidden");
    plain?.setAttribute("hidden", "");
    if (help) help.textContent = help.dataset.withScript;
    const input = drop?.querySelector("input[type=file]");
    if (input) listen(this.root, input, (...found) => this.take(...found), this.texts.pasted);
    form.addEventListener("submit", event => event.preventDefault());
    this.root.classList.add("ia-up-on");
    work.hidden = false;
    for (const image of given("ia-up-shown", [])) this.show(image);
  }

  show(image) {
    const item = {name: image.file_name || image.title, size: 0, gallery: this.gallery};
    this.items.add(item);
    this.items.know(item, image);
    this.items.set(item, "done");
    this.shown += 1;
  }

  get gallery() {
    const chosen = this.parts.form.elements.gallery?.value;
    return this.root.dataset.gallery ?? this.galleries[chosen] ?? null;
  }

  take(files, left) {
    const {gallery} = this;
    if (left) this.say("leftOut", {n: left});
    this.taking = this.taking.then(() => this.enqueue(files, gallery));
  }

  async enqueue(files, gallery) {
    const place = gallery && await this.placeIn(gallery);
    this.uploads += files.length;
    const limit = Number(this.root.dataset.maxBytes);
    for (const file of files) {
      const item = {file, name: file.name, size: file.size, gallery};
      if (place) {
        item.position = place.next;
        place.next += place.step;
      }
      this.items.add(item);
      if (file.size > limit) this.items.set(item, "failed", {reason: this.texts.tooLarge, isHopeless: true});
      else this.queue.add(item);
    }
  }

  /** Where the next image goes: asked once, and counted on while uploads are under way. */
  async placeIn(gallery) {
    if (!this.items.underWay) this.places.clear();
    if (!this.places.has(gallery)) {
      const url = `${this.server.placeUrl}?${new URLSearchParams({gallery})}`;
      const answer = await fetch(url, {headers: {Accept: "application/json"}}).catch(() => null);
      this.places.set(gallery, answer?.ok ? await answer.json() : null);
    }
    return this.places.get(gallery);
  }

  listen() {
    const {parts} = this;
    this.root.addEventListener("click", event => this.press(event));
    parts.list.addEventListener("input", event => {
      const {field} = event.target.dataset;
      if (!field) return;
      const item = this.cards.itemOf(event.target);
      item.isKept = true; // it stays in sight, although it does not lack a text any more
      this.editor.note(item, {[field]: event.target.value});
    });
    parts.list.addEventListener("change", event => event.target.dataset.field && this.editor.flush());
    listenForFocalPoints(parts.list, this.cards, this.editor, item => {
      this.say("focal", {x: Math.round(item.image.focal_x * 100), y: Math.round(item.image.focal_y * 100)});
    });
    addEventListener("beforeunload", event => {
      if (this.items.underWay || this.editor.isUnsaved || this.order.isUnsaved) event.preventDefault();
    });
  }

  press(event) {
    const button = event.target.closest("button");
    if (!button) return;
    const {up, choice, all, filter, part} = button.dataset;
    if (choice) this.choose(this.cards.itemOf(button), choice);
    else if (all) this.chooseForAll(all);
    else if (filter) this.showOnly(filter);
    else if (part === "cancel") this.leave(button, item => this.queue.cancel(item));
    else if (up === "cancel-all") this.queue.cancelAll();
    else if (up === "retry-all") this.retryAll();
    else if (up === "clear") this.ofState(["failed", "cancelled", "duplicate"], item => this.queue.drop(item));
    else if (up === "save") Promise.all([this.editor.flush(), this.order.flush()]);
  }

  /** What is done to an item takes its button away; the focus goes on to the next. */
  leave(button, act) {
    const line = button.closest("li");
    const next = line.nextElementSibling ?? line.previousElementSibling;
    const isLine = line.parentElement === this.parts["problem-list"];
    act(this.cards.itemOf(button));
    const target = isLine && next ? next.querySelector("button:not([hidden])") : this.parts["problem-count"];
    requestAnimationFrame(() => requestAnimationFrame(() => target.focus({preventScroll: !isLine})));
  }

  choose(item, choice) {
    this.leave(item.line.querySelector("button"), () => {
      if (choice === "skip") this.queue.drop(item);
      else this.queue.retry(item, choice === "retry" ? {} : {duplicates: choice});
    });
  }

  chooseForAll(choice) {
    if (this.items.underWay) this.items.duplicates = choice;
    this.ofState(["duplicate"], item => {
      if (choice === "skip") this.queue.drop(item);
      else this.queue.retry(item, {duplicates: choice});
    });
  }

  retryAll() {
    this.ofState(["failed", "cancelled"], item => this.items.canRetry(item) && this.queue.retry(item));
  }

  ofState(states, act) {
    for (const item of this.cards.inOrder()) if (states.includes(item.state)) act(item);
  }

  showOnly(filter) {
    this.cards.filter = filter;
    for (const button of this.root.querySelectorAll("[data-filter]")) {
      button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
    }
    this.ofState(["done"], item => {
      item.isKept = false;
      this.items.touch(item);
    });
    this.selection.keepShown();
    this.painter.change(); // also where there is no item
    if (this.isComplete) this.announcer.say(this.parts.none.textContent);
  }

  /** Whether those are asked for that lack a text, and none does. */
  get isComplete() {
    return this.cards.filter === "missing" && !this.items.missing;
  }

  tell(kind, state, said) {
    this.states[kind] = state;
    const worst = Object.values(this.states).sort((a, b) => GRAVITY.indexOf(b) - GRAVITY.indexOf(a))[0];
    const text = (worst === state && said) || this.texts[worst];
    Object.assign(this.parts.saving.dataset, {state: worst});
    this.parts.saving.textContent = text;
    this.parts.save.hidden = worst !== "unsavable";
    if (worst === "unsavable" || worst === "invalid") this.announcer.say(text);
    else if (worst === "saved") this.announcer.mention(text);
  }

  say(name, values) {
    this.announcer.say(fill(this.texts[name], values));
  }

  paintSums() {
    const {items, parts, texts, uploads} = this;
    const done = items.made - this.shown;
    const failures = items.problems ? fill(texts.notUploaded, {n: items.problems}) : "";
    const used = items.used ? fill(texts.used, {n: items.used}) : "";
    const total = uploads - items.counts.gone - (items.counts.done - items.made);
    const isOver = !items.underWay;
    const summary = fill(isOver ? texts.finished : texts.progress, {done, total});
    parts.status.hidden = total <= 0 && !used;
    this.root.classList.toggle("ia-up-started", items.number > 0);
    write(parts.summary, summary);
    write(parts.used, used);
    parts.progress.hidden = parts["cancel-all"].hidden = isOver;
    parts.progress.value = items.loaded / (items.total || 1);
    parts.problems.hidden = !items.problems;
    write(parts["problem-count"], failures);
    parts["retry-all"].hidden = !items.retryable;
    parts.duplicates.hidden = !items.counts.duplicate;
    parts.tools.hidden = parts.hint.hidden = !items.counts.done;
    for (const name of ["all", "missing"]) {
      const n = name === "all" ? items.counts.done : items.missing;
      write(this.root.querySelector(`[data-filter=${name}]`), fill(texts[name], {n}));
    }
    if (!parts.saving.textContent) write(parts.saving, texts.saved);
    parts.none.hidden = !this.isComplete;
    this.selection.paint(fill(texts.selected, {n: items.selected.size}));
    this.bulk.paint();
    this.tellProgress(isOver, [summary, used, failures].filter(Boolean).join(". "));
  }

  tellProgress(isOver, text) {
    if (!this.uploads) return;
    if (!isOver) this.announcer.mention(text);
    else if (this.wasUnderWay) {
      this.announcer.say(text);
      this.items.duplicates = null;
      this.order.again();
    }
    this.wasUnderWay = !isOver;
  }
}

/** What the server has put into the page as JSON. */
function given(id, otherwise) {
  const element = document.getElementById(id);
  return element ? JSON.parse(element.textContent) : otherwise;
}

function textsOf(dataset) {
  const texts = {};
  for (const [name, text] of Object.entries(dataset)) {
    if (name.startsWith("text")) texts[name[4].toLowerCase() + name.slice(5)] = text;
  }
  return texts;
}

function serverOf(root) {
  const {uploadUrl, placeUrl, resumableUrl, editUrl, orderUrl, csrfHeader} = root.dataset;
  const token = root.querySelector("[name=csrfmiddlewaretoken]").value;
  const orderOf = gallery => orderUrl.replace(NO_GALLERY, gallery);
  return {token, csrfHeader, uploadUrl, placeUrl, resumableUrl, editUrl, orderUrl: orderOf};
}

for (const root of document.querySelectorAll("[data-uploader]")) new Uploader(root);
