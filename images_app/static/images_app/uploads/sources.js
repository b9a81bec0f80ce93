/** Where files come from: a drop anywhere on the page, folders in it, the clipboard, the file picker. */

const PICTURES = /\.(avif|bmp|gif|heic|heif|jfif|jpe?g|png|tiff?|webp)$/i;
const byName = new Intl.Collator(undefined, {numeric: true}).compare;

/** Calls `take(files, number of files left out)`, in the order in which people see them. */
export function listen(root, input, take, pastedName) {
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
