/** The cards: an item's progress, then its picture and fields; and a line for each that needs a decision. */

import {fill} from "./announcing.js";

const UNDER_WAY = new Set(["waiting", "sending", "resting", "checking"]);
const PROBLEMS = new Set(["failed", "cancelled", "duplicate"]);
const RETRY_PICTURE = 4000; // milliseconds, when the server was busy

export class Cards {
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
