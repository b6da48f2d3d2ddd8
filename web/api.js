// Talking to the server: JSON, server-sent events, errors in plain words.

export const key = { get: () => sessionStorage.getItem("xoe-key") ?? "", set: (v) => sessionStorage.setItem("xoe-key", v) };

// What this browser keeps under a name; a damaged value counts as none.
export function stored(name, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(name)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

export class ApiError extends Error {
  constructor(status, message, retryAfter) {
    super(message);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

const headers = () => ({ "content-type": "application/json", ...(key.get() ? { authorization: `Bearer ${key.get()}` } : {}) });

async function send(path, options) {
  let r;
  try {
    r = await fetch(path, { ...options, headers: headers() });
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new ApiError(0, "The server does not answer. Is it running?");
  }
  if (r.ok) return r;
  const body = await r.json().catch(() => null);
  const wait = r.headers.get("retry-after");
  let message = body?.error?.message ?? `The server answered ${r.status}.`;
  if (r.status === 401) message = "The server asks for an API key. Enter it in the settings.";
  if (r.status === 429 && wait) message += ` (try again in ${wait} s)`;
  throw new ApiError(r.status, message, wait);
}

export const getJson = async (path) => (await send(path)).json();
export const getText = async (path) => (await send(path)).text();
export const postJson = async (path, body, signal) => (await send(path, { method: "POST", body: JSON.stringify(body), signal })).json();

// Calls onChunk for each event of a stream; returns when it ended with [DONE].
export async function postStream(path, body, signal, onChunk) {
  const r = await send(path, { method: "POST", body: JSON.stringify(body), signal });
  const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new ApiError(0, "The answer broke off: the connection was lost.");
    rest += value;
    let end;
    while ((end = rest.indexOf("\n\n")) >= 0) {
      const event = rest.slice(0, end);
      rest = rest.slice(end + 2);
      for (const line of event.split("\n")) {
        if (!line.startsWith("data: ")) continue;
        if (line === "data: [DONE]") return;
        const chunk = JSON.parse(line.slice(6));
        if (chunk.error) throw new ApiError(500, chunk.error.message);
        onChunk(chunk);
      }
    }
  }
}
