/* Made of uploads.js and uploads/ by "make docs": change those. One file, for names that are
   hashed, and no module, for a static host that sends no CORS header. */
"use strict";
(() => {
const announcingModule = (() => {
/** Says things to those who do not see them: the newest of what there is to say, not all of it. */

const SOON = 300; // milliseconds
const NOW_AND_THEN = 5000; // likewise, for what changes all the time

class Announcer {
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
function fill(sentence, values) {
  return sentence.replaceAll(/\{(\w+)\}/g, (_place, name) => String(values[name]));
}

return {Announcer, fill};
})();

const painterModule = (() => {
/** Brings what has changed to the page, a few milliseconds of it in each frame. */

const BUDGET = 8; // milliseconds of a frame

class Painter {
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
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

return {Painter, write};
})();

const bulkModule = (() => {
/** Gives one text to all that are selected: where there is one already, only when that is asked for. */

const {fill} = announcingModule;
const {write} = painterModule;

const LENGTHS = {title: 200, alt_text: 500};

class Bulk {
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

return {Bulk};
})();

const cardsModule = (() => {
/** The cards: an item's progress, then its picture and fields; and a line for each that needs a decision. */

const {fill} = announcingModule;

const UNDER_WAY = new Set(["waiting", "sending", "resting", "checking"]);
const PROBLEMS = new Set(["failed", "cancelled", "duplicate"]);
const RETRY_PICTURE = 4000; // milliseconds, when the server was busy

class Cards {
  #parts;
  #items;
  #texts;
  #mayOrder;
  #ofCard = new WeakMap();

  constructor(parts, items, texts, mayOrder) {
    this.#parts = parts;
    this.#items = items;
    this.#texts = texts;
    this.#mayOrder = mayOrder;
    this.filter = "all";
  }

  /** The item whose card or line an element is in. */
  itemOf(element) {
    return this.#ofCard.get(element.closest("li"));
  }

  /** Items in the order in which their cards stand, of those that are shown. */
  inOrder() {
    return [...this.#parts.list.children].map(card => this.#ofCard.get(card));
  }

  isShown(item) {
    return item.state === "done" && (this.filter === "all" || item.isKept || this.#items.lacksText(item));
  }

  paint(item) {
    if (item.state === "gone") {
      item.card?.root.remove();
      item.line?.remove();
      return;
    }
    item.card ??= this.#make(item);
    this.#paintLine(item);
    const {root, parts} = item.card;
    root.hidden = PROBLEMS.has(item.state) || (item.state === "done" && !this.isShown(item));
    if (UNDER_WAY.has(item.state)) this.#paintProgress(item, parts);
    else if (item.state === "done") this.#paintImage(item, root, parts);
  }

  #make(item) {
    const root = this.#parts.card.content.firstElementChild.cloneNode(true);
    const parts = {};
    for (const element of root.querySelectorAll("[data-part]")) parts[element.dataset.part] = element;
    for (const element of root.querySelectorAll("[data-field]")) parts[element.dataset.field] = element;
    for (const name of ["check", "moves"]) parts[name].hidden = true;
    parts.name.textContent = parts.name.title = item.name;
    parts.group.setAttribute("aria-label", item.name);
    parts.progress.setAttribute("aria-label", item.name);
    this.#ofCard.set(root, item);
    this.#parts.list.append(root);
    return {root, parts};
  }

  #paintProgress(item, parts) {
    const percent = Math.floor(100 * item.loaded / (item.size || 1));
    const text = item.state === "sending" ? `${percent} %` : this.#texts[item.state];
    if (parts.state.textContent !== text) parts.state.textContent = text;
    parts.progress.hidden = item.state === "waiting";
    if (item.state === "checking") parts.progress.removeAttribute("value");
    else parts.progress.value = percent / 100;
    if (parts.sending.hidden) parts.sending.hidden = false;
  }

  #paintImage(item, root, parts) {
    const {image} = item;
    if (!parts.sending.hidden) this.#open(item, root, parts);
    const source = image.picture ?? image.thumbnail;
    if (item.source !== source) this.#show(item, parts, source);
    if (item.sized !== image.width / image.height) {
      item.sized = image.width / image.height;
      parts.focal.style.aspectRatio = String(item.sized);
      parts.focal.style.setProperty("--ia-ratio", String(item.sized));
    }
    parts.dot.style.left = `${image.focal_x * 100}%`;
    parts.dot.style.top = `${image.focal_y * 100}%`;
    const where = {x: Math.round(image.focal_x * 100), y: Math.round(image.focal_y * 100)};
    parts.focal.setAttribute("aria-label", fill(this.#texts.focal, where));
    parts.select.checked = item.isSelected ?? false;
    root.classList.toggle("ia-up-selected", parts.select.checked);
    parts.missing.hidden = !this.#items.lacksText(item);
    for (const field of ["title", "alt_text"]) this.#paintField(item, root, parts[field], field);
  }

  #open(item, root, parts) {
    parts.sending.hidden = true;
    parts.focal.hidden = parts.fields.hidden = false;
    parts.check.hidden = !item.image.may_change;
    parts.moves.hidden = !this.#mayOrder || !item.gallery;
    parts.focal.disabled = !item.image.may_change || !item.image.picture;
    parts.dot.hidden = parts.focal.disabled;
    parts.name.textContent = parts.name.title = item.name;
    for (const field of ["title", "alt_text"]) {
      parts[field].disabled = !item.image.may_change;
      const error = root.querySelector(`[data-error=${field}]`);
      error.id = `ia-up-error-${item.image.id}-${field}`;
    }
    root.classList.add("ia-up-done");
  }

  #show(item, parts, source) {
    item.source = source;
    if (!parts.picture) {
      parts.picture = document.createElement("img");
      Object.assign(parts.picture, {alt: "", loading: "lazy", decoding: "async"});
      parts.focal.prepend(parts.picture);
    }
    parts.picture.onerror = () => {
      parts.picture.onerror = null;
      setTimeout(() => { if (item.source === source) parts.picture.src = source; }, RETRY_PICTURE);
    };
    parts.picture.src = source;
  }

  #paintField(item, root, input, field) {
    if (input !== document.activeElement && input.value !== item.image[field]) input.value = item.image[field];
    const problem = item.errors[field];
    const error = root.querySelector(`[data-error=${field}]`);
    if (error.hidden === !problem && error.textContent === (problem ?? "")) return;
    error.hidden = !problem;
    error.textContent = problem ?? "";
    input.toggleAttribute("aria-invalid", Boolean(problem));
    if (problem) input.setAttribute("aria-describedby", error.id);
    else input.removeAttribute("aria-describedby");
  }

  /** One line for an item that needs a decision, none for any other. */
  #paintLine(item) {
    if (!PROBLEMS.has(item.state)) {
      item.line?.remove();
      item.line = null;
    } else if (!item.line) {
      item.line = this.#parts.problem.content.firstElementChild.cloneNode(true);
      const part = name => item.line.querySelector(`[data-part=${name}]`);
      part("name").textContent = item.name;
      part("reason").textContent = item.reason;
      part("actions").setAttribute("aria-label", item.name);
      const isDuplicate = item.state === "duplicate";
      for (const button of item.line.querySelectorAll("[data-choice]")) {
        const {choice} = button.dataset;
        if (choice === "retry") button.hidden = !this.#items.canRetry(item);
        else if (choice !== "skip") button.hidden = !isDuplicate;
      }
      if (isDuplicate) part("there").append(...item.there.map(image => this.#pictureOf(image)));
      this.#ofCard.set(item.line, item);
      this.#hang(item);
    }
  }

  /** In the order of the drop, which is nearly that in which they come. */
  #hang(item) {
    let before = this.#parts["problem-list"].lastElementChild;
    while (before && this.#ofCard.get(before).index > item.index) before = before.previousElementSibling;
    if (before) before.after(item.line);
    else this.#parts["problem-list"].prepend(item.line);
  }

  #pictureOf(image) {
    const link = document.createElement("a");
    const picture = document.createElement("img");
    [link.href, link.target, link.rel] = [image.url, "_blank", "noopener"];
    [picture.src, picture.alt] = [image.thumbnail, fill(this.#texts.there, {name: image.title || image.file_name})];
    [picture.width, picture.height] = [72, 72];
    link.append(picture);
    return link;
  }
}

return {Cards};
})();

const transportModule = (() => {
/** Carries one file to the server: in one request, or where it is large in parts that resume (tus 1.0.0). */

const SMALL = 8 * 2 ** 20; // bytes
const PART = 5 * 2 ** 20; // likewise
const TRIES = 6; // in a row, without a byte of progress
const LONGEST_PAUSE = 30; // seconds
const PASSING = new Set([0, 408, 429, 502, 503, 504]); // what may be over in a moment
const TUS = {"Tus-Resumable": "1.0.0"};

/** The server has said no, and why. */
class Refused extends Error {
  constructor(answer) {
    super(answer.data?.error?.message ?? "");
    this.status = answer.status;
    this.code = answer.data?.error?.code ?? "";
    this.images = answer.data?.images ?? [];
  }
}

/** The line or the server is not there right now. */
class Interrupted extends Error {
  constructor(answer) {
    super(answer.data?.error?.message ?? "");
    this.pause = Number(answer.header("Retry-After")) || 0;
  }
}

/** Sends as often as it takes; tells `onRest` when it waits for the line to come back. */
async function send(item, server, {signal, onProgress, onRest}) {
  const carry = item.file.size > SMALL ? sendInParts : sendWhole;
  for (let tries = 0, reached = 0; ; tries += 1) {
    try {
      return await carry(item, server, signal, onProgress);
    } catch (error) {
      if (item.offset > reached) [tries, reached] = [0, item.offset];
      if (!(error instanceof Interrupted) || tries + 1 >= TRIES) throw error;
      onRest();
      await pause(Math.max(error.pause, Math.min(2 ** tries * 0.5, LONGEST_PAUSE)), signal);
    }
  }
}

/** Forgets what the server has of a file that nobody wants any more. */
function discard(item, server) {
  if (item.location) request("DELETE", item.location, {headers: headers(server, TUS)}).catch(() => {});
}

async function sendWhole(item, server, signal, onProgress) {
  const body = new FormData();
  body.append("file", item.file, item.file.name);
  const url = `${server.uploadUrl}?${parameters(item)}`;
  const answer = await request("POST", url, {body, headers: headers(server), signal, onProgress});
  return received(answer);
}

async function sendInParts(item, server, signal, onProgress) {
  if (item.location) await findOffset(item, server, signal);
  if (!item.location) await begin(item, server, signal);
  for (;;) {
    const start = item.offset;
    const answer = await request("PATCH", `${item.location}?${parameters(item)}`, {
      body: item.file.slice(start, start + PART),
      headers: headers(server, TUS, {
        "Content-Type": "application/offset+octet-stream",
        "Upload-Offset": String(start),
      }),
      signal,
      onProgress: loaded => onProgress(start + loaded),
    });
    if (answer.status !== 204) {
      const isOutOfStep = answer.status === 409 && !answer.data?.images;
      if (isOutOfStep || answer.status === 404) throw new Interrupted(answer);
      return received(answer);
    }
    item.offset = Number(answer.header("Upload-Offset"));
    if (!(item.offset > start)) throw new Interrupted(answer);
  }
}

async function begin(item, server, signal) {
  const name = btoa(String.fromCharCode(...new TextEncoder().encode(item.file.name)));
  const answer = await request("POST", `${server.resumableUrl}?${parameters(item)}`, {
    headers: headers(server, TUS, {
      "Upload-Length": String(item.file.size),
      "Upload-Metadata": `filename ${name}`,
    }),
    signal,
  });
  if (answer.status !== 201) failed(answer);
  item.location = new URL(answer.header("Location"), location.href).pathname;
  item.offset = 0;
}

/** Asks how far it came; what has expired begins anew. */
async function findOffset(item, server, signal) {
  const answer = await request("HEAD", item.location, {headers: headers(server, TUS), signal});
  if (answer.status === 404 || answer.status === 410) item.location = null;
  else if (answer.status >= 300 || answer.status === 0) failed(answer);
  else item.offset = Number(answer.header("Upload-Offset"));
}

function received(answer) {
  if (answer.status < 300 && answer.data?.image) return answer.data.image;
  return failed(answer);
}

function failed(answer) {
  throw PASSING.has(answer.status) ? new Interrupted(answer) : new Refused(answer);
}

function parameters(item) {
  const found = new URLSearchParams();
  if (item.gallery) found.set("gallery", item.gallery);
  if (item.position !== undefined) found.set("position", item.position);
  found.set("duplicates", item.duplicates ?? "ask");
  return found;
}

function headers(server, ...more) {
  return Object.assign({...proof(server), Accept: "application/json"}, ...more);
}

/** The header by which Django knows its own pages; a site may have given it a name of its own. */
function proof(server) {
  return {[server.csrfHeader]: server.token};
}

/** One request with its progress, which fetch() does not tell of; status 0 is a broken line. */
function request(method, url, {body = null, headers: given, signal, onProgress} = {}) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    xhr.open(method, url);
    xhr.responseType = "json"; // null for what is none, as a proxy's page of errors
    for (const [name, value] of Object.entries(given)) xhr.setRequestHeader(name, value);
    if (onProgress) xhr.upload.onprogress = event => onProgress(event.loaded);
    xhr.onabort = () => reject(signal?.reason ?? new DOMException("", "AbortError"));
    xhr.onloadend = () => {
      signal?.removeEventListener("abort", abort);
      const data = xhr.status ? xhr.response : null;
      resolve({status: xhr.status, data, header: name => xhr.getResponseHeader(name)});
    };
    if (signal?.aborted) return reject(signal.reason);
    signal?.addEventListener("abort", abort);
    return xhr.send(body);
  });
}

/** Waits, but no longer than until the browser is online again. */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const end = settle => () => {
      clearTimeout(timer);
      removeEventListener("online", wake);
      signal.removeEventListener("abort", stop);
      settle();
    };
    const wake = end(resolve);
    const stop = end(() => reject(signal.reason));
    const timer = setTimeout(wake, seconds * 1000);
    addEventListener("online", wake);
    signal.addEventListener("abort", stop);
  });
}

return {Refused, Interrupted, send, discard, proof, request};
})();

const editingModule = (() => {
/** Saves titles, texts and focal points by itself, all that has changed in one request. */

const {proof, request} = transportModule;

const QUIET = 900; // milliseconds after the last key
const AGAIN = 5000; // likewise, after the line was broken
const MOST = 500; // images in one request

class Editor {
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
function listenForFocalPoints(list, cards, editor, say) {
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

return {Editor, listenForFocalPoints};
})();

const itemsModule = (() => {
/** What is uploaded or edited: items in the order of the drop, and sums that are kept, never counted anew. */

const SETTLED = new Set(["done", "failed", "cancelled", "duplicate"]);

/** States: waiting, sending, resting, checking, then done; or failed, cancelled, duplicate; or gone. */
class Items {
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

return {Items};
})();

const orderingModule = (() => {
/** Reorders cards: by dragging their handle, by buttons, by Alt and an arrow key; and saves the order. */

const {proof, request} = transportModule;

const QUIET = 700; // milliseconds after the last move
const EDGE = 80; // pixels from the window's edge where dragging scrolls
const KEYS = {ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1, Home: -Infinity, End: Infinity};

class Order {
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

return {Order};
})();

const queueModule = (() => {
/** Three at a time, in the order of the drop; one can be taken out at any moment. */

const {discard, Refused, send} = transportModule;

const WIDTH = 3; // requests at a time
const HOPELESS = new Set([400, 413]); // of the file itself, which stays what it is

class Queue {
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

return {Queue};
})();

const selectionModule = (() => {
/** Which images are chosen to be given one text: by checkboxes, a range with Shift, or all that are shown. */

const {write} = painterModule;

class Selection {
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

return {Selection};
})();

const sourcesModule = (() => {
/** Where files come from: a drop anywhere on the page, folders in it, the clipboard, the file picker. */

const PICTURES = /\.(avif|bmp|gif|heic|heif|jfif|jpe?g|png|tiff?|webp)$/i;
const byName = new Intl.Collator(undefined, {numeric: true}).compare;

/** Calls `take(files, number of files left out)`, in the order in which people see them. */
function listen(root, input, take, pastedName) {
  let depth = 0;
  const carriesFiles = event => event.dataTransfer?.types.includes("Files");
  const mark = () => root.classList.toggle("ia-up-over", depth > 0);
  document.addEventListener("dragenter", event => {
    if (carriesFiles(event)) { depth += 1; mark(); }
  });
  document.addEventListener("dragleave", event => {
    if (carriesFiles(event)) { depth = Math.max(0, depth - 1); mark(); }
  });
  document.addEventListener("dragover", event => {
    if (carriesFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", async event => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    depth = 0;
    mark();
    take(...await dropped(event.dataTransfer));
  });
  document.addEventListener("paste", event => {
    const files = [...event.clipboardData?.files ?? []].filter(file => file.type.startsWith("image/"));
    if (!files.length) return;
    event.preventDefault();
    take(files.map(file => named(file, pastedName)), 0);
  });
  const choose = () => {
    const files = [...input.files];
    input.value = ""; // so that the same file can be chosen again
    if (files.length) take(files, 0);
  };
  input.addEventListener("change", choose);
  choose(); // what was chosen before this script came
}

/** Browsers call every picture of a clipboard image.png. */
function named(file, pastedName) {
  if (!/^image\.\w+$/.test(file.name)) return file;
  const time = new Date().toLocaleTimeString(undefined, {hourCycle: "h23"}).replaceAll(/\D+/g, "-");
  return new File([file], `${pastedName} ${time}.${file.name.split(".").pop()}`, {type: file.type});
}

async function dropped(transfer) {
  // All of it now: the transfer is emptied as soon as this event is over.
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some(entry => entry.isDirectory)) return [[...transfer.files], 0];
  const files = [];
  let left = 0;
  for (const entry of entries) {
    if (entry.isFile) files.push(await fileOf(entry));
    else left += await gather(entry, files);
  }
  return [files, left];
}

/** Adds the pictures of a folder and of those in it, by name; answers how many files are none. */
async function gather(folder, files) {
  let left = 0;
  const entries = (await entriesOf(folder)).sort((a, b) => byName(a.name, b.name));
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    if (entry.isDirectory) left += await gather(entry, files);
    else if (PICTURES.test(entry.name)) files.push(await fileOf(entry));
    else left += 1;
  }
  return left;
}

async function entriesOf(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) { // it answers with a hundred at a time
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    found.push(...some);
  }
}

function fileOf(entry) {
  return new Promise((resolve, reject) => entry.file(resolve, reject));
}

return {listen};
})();

/** The uploader: what is dropped, pasted or chosen goes up, three files at a time, and is described and ordered. */

const {Announcer, fill} = announcingModule;
const {Bulk} = bulkModule;
const {Cards} = cardsModule;
const {Editor, listenForFocalPoints} = editingModule;
const {Items} = itemsModule;
const {Order} = orderingModule;
const {Painter, write} = painterModule;
const {Queue} = queueModule;
const {Selection} = selectionModule;
const {listen} = sourcesModule;

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
})();
