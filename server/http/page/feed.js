// What the page asks of the server it came from. The event log is read with fetch and not with an EventSource, which
// could not send a token.

const SILENCE_MILLIS = 15_000; // a position comes every five seconds
const ANSWER_MILLIS = 12_000;
const LONGEST_BLOCK = 1_048_576;

// What ends a stream that had begun.
const STATUSES = { CALLER_UNKNOWN: 401, NOT_GRANTED: 403 };

// The server answered, and not with what was asked for.
export class Refused extends Error {
  constructor(status, body) {
    super(body.message ?? `the server answers with ${status}`);
    this.status = status;
    this.reason = body.reason ?? '';
    this.hint = body.hint ?? '';
  }

  wantsToken() {
    return this.status === 401 || this.status === 403;
  }
}

// The stream cannot be gone on with from its cursor.
export class Expired extends Error {}

function headersOf(token) {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function bodyOf(response) {
  try {
    return await response.json();
  } catch {
    return {};
  }
}

// One whole answer, as { status, body }.
async function ask(path, token, signal) {
  const response = await fetch(path, {
    headers: { ...headersOf(token), Accept: 'application/json' }, cache: 'no-store',
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MILLIS)]),
  });
  return { status: response.status, body: await bodyOf(response) };
}

export async function readOverview(namespace, token, signal) {
  const { status, body } = await ask(`/v1/overview?namespace=${encodeURIComponent(namespace)}`, token, signal);
  if (status !== 200) throw new Refused(status, body);
  return body;
}

// { ready, failing, warnings }: checks that fail, as { name, message, hint }; those that readiness needs, and the
// others.
export async function readReadiness(signal) {
  const { status, body } = await ask('/readyz?verbose', '', signal);
  if (!Array.isArray(body.checks)) throw new Refused(status, body);
  const failing = body.checks.filter((check) => !check.ok);
  const needed = (check) => check.neededBy.includes('/readyz');
  return { ready: body.ready, failing: failing.filter(needed), warnings: failing.filter((check) => !needed(check)) };
}

// The blocks of an event stream, as they come. A comment or an id alone is none.
export class Blocks {
  #text = '';
  #decoder = new TextDecoder();
  #id = '';

  // Returns those that end in these bytes, as { name, id, data }.
  take(bytes) {
    this.#text += this.#decoder.decode(bytes, { stream: true });
    const whole = this.#text.split('\n\n');
    this.#text = whole.pop();
    if (this.#text.length > LONGEST_BLOCK) throw new Error('a block of the event stream does not end');
    return whole.map((block) => this.#read(block)).filter((block) => block !== null);
  }

  #read(block) {
    let name = 'message';
    const data = [];
    for (const line of block.split('\n')) {
      const colon = line.indexOf(':');
      if (colon <= 0) continue;
      const field = line.slice(0, colon);
      const value = line.slice(colon + 1).replace(/^ /, '');
      if (field === 'event') name = value;
      else if (field === 'id') this.#id = value;
      else if (field === 'data') data.push(value);
    }
    return { name, id: this.#id, data: data.length > 0 ? JSON.parse(data.join('\n')) : null };
  }
}

// Follows the log after the cursor, and calls `heard` for each block. Returns when the server ended the stream in a way
// that may be gone on with; throws Expired, Refused, or what fetch throws.
export async function follow({ namespace, cursor, kinds, token, signal, heard }) {
  const quiet = new AbortController();
  const query = new URLSearchParams({ namespace, after: cursor, kind: kinds.join(',') });
  let alarm = setTimeout(() => quiet.abort(), SILENCE_MILLIS);
  try {
    const response = await fetch(`/v1/events?${query}`, {
      headers: headersOf(token), cache: 'no-store', signal: AbortSignal.any([signal, quiet.signal]),
    });
    if (!response.ok || !response.body) throw new Refused(response.status, await bodyOf(response));
    const blocks = new Blocks();
    const reader = response.body.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      clearTimeout(alarm);
      alarm = setTimeout(() => quiet.abort(), SILENCE_MILLIS);
      for (const block of blocks.take(value)) {
        if (block.name === 'expired') throw new Expired('the cursor is older than what is retained');
        if (block.name === 'failed') throw new Refused(STATUSES[block.data?.reason] ?? 503, block.data ?? {});
        heard(block);
      }
    }
  } finally {
    clearTimeout(alarm);
    quiet.abort();
  }
}
