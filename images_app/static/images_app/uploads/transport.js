/** Carries one file to the server: in one request, or where it is large in parts that resume (tus 1.0.0). */

const SMALL = 8 * 2 ** 20; // bytes
const PART = 5 * 2 ** 20; // likewise
const TRIES = 6; // in a row, without a byte of progress
const LONGEST_PAUSE = 30; // seconds
const PASSING = new Set([0, 408, 429, 502, 503, 504]); // what may be over in a moment
const TUS = {"Tus-Resumable": "1.0.0"};

/** The server has said no, and why. */
export class Refused extends Error {
  constructor(answer) {
    super(answer.data?.error?.message ?? "");
    this.status = answer.status;
    this.code = answer.data?.error?.code ?? "";
    this.images = answer.data?.images ?? [];
  }
}

/** The line or the server is not there right now. */
export class Interrupted extends Error {
  constructor(answer) {
    super(answer.data?.error?.message ?? "");
    this.pause = Number(answer.header("Retry-After")) || 0;
  }
}

/** Sends as often as it takes; tells `onRest` when it waits for the line to come back. */
export async function send(item, server, {signal, onProgress, onRest}) {
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
export function discard(item, server) {
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
export function proof(server) {
  return {[server.csrfHeader]: server.token};
}

/** One request with its progress, which fetch() does not tell of; status 0 is a broken line. */
export function request(method, url, {body = null, headers: given, signal, onProgress} = {}) {
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
