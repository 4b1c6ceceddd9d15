// A subscriber that comes back by itself, at once and with the last id it was given, and keeps all it was sent.

import { JsonLines, Stream } from './stream.mjs';
import { until } from './until.mjs';

/** From the last publish to the last byte of a replay, on a busy machine. */
const ARRIVAL_MS = 30_000;

/** How a form is asked for, and what one of its pieces says: `{ type, id, data }`. */
const FORMS = {
  sse: { reader: Stream, query: '&envelope=none', pieces: 'blocks', read: readBlock },
  enveloped: { reader: Stream, query: '&envelope=json', pieces: 'blocks', read: readEnvelope },
  ndjson: { reader: JsonLines, query: '', pieces: 'lines', read: readLine },
};

export class Follower {
  #form;
  #url;
  #stream;
  /** How many pieces of this connection are in `#seen` already. */
  #taken = 0;
  #closed = false;
  #loop;
  #seen = [];
  /** Every gap it was told of, by the stream or by the head; none may be in a history that is whole. */
  gaps = [];
  connections = 0;
  /** The last id it was given, and would come back with. */
  lastEventId;

  /** `form` is a key of FORMS, `target` has a query. Resolves with the first head: from there on it misses nothing. */
  static async start(name, form, server, target) {
    const follower = new Follower();
    follower.name = name;
    follower.#form = FORMS[form];
    follower.#url = server.url + target + FORMS[form].query;
    await follower.#connect();
    follower.#loop = follower.#follow();
    return follower;
  }

  /** Every event it was sent so far, as `{ id, type, data }`, in the order of arrival. */
  async received() {
    this.#take();
    return this.#seen;
  }

  /** Waits until the event of this id is here. */
  async arrived(id) {
    await until(`${this.name} to receive ${id}`, async () => (await this.received()).at(-1)?.id === id, ARRIVAL_MS);
  }

  async close() {
    this.#closed = true;
    this.#stream.close();
    await this.#loop;
  }

  async #follow() {
    while (!this.#closed) {
      await this.#stream.over;
      this.#take();
      // A server that is not there yet is asked again: how long it may be away is the caller's to bound.
      while (!this.#closed && !(await this.#connect().then(() => true, () => false))) await pause();
    }
  }

  async #connect() {
    const headers = this.lastEventId ? { 'last-event-id': this.lastEventId } : {};
    const stream = await this.#form.reader.open(this.#url, headers);
    if (stream.status !== 200) throw new Error(`${this.name}: status ${stream.status}`);
    this.connections += 1;
    if (stream.headers['tidings-gap'] !== undefined) this.gaps.push(`header: ${stream.headers['tidings-gap']}`);
    [this.#stream, this.#taken] = [stream, 0];
    if (this.#closed) stream.close();
  }

  /** What came whole since the last time; what was cut is thrown away, together with its id. */
  #take() {
    const pieces = this.#stream[this.#form.pieces];
    for (; this.#taken < pieces.length; this.#taken += 1) {
      const { type, id, data } = this.#form.read(pieces[this.#taken]);
      this.lastEventId = id ?? this.lastEventId;
      if (type === 'tidings.gap') this.gaps.push(data);
      if (data !== undefined && !type.startsWith('tidings.')) this.#seen.push({ id, type, data });
    }
  }
}

function readBlock({ event = 'message', id, data }) {
  return { type: event, id, data };
}

/** The data of an event is its JSON form, and must say the same as the block's own lines. */
function readEnvelope(block) {
  const outside = readBlock(block);
  if (outside.data === undefined || outside.type.startsWith('tidings.')) return outside;
  const { id, type = 'message', data } = JSON.parse(outside.data);
  if (id !== outside.id || type !== outside.type) throw new Error(`${id} ${type} in a block of ${outside.id} ${outside.type}`);
  return { type, id, data };
}

function readLine({ control, type = 'message', id, data }) {
  return { type: control ?? type, id, data: control ? JSON.stringify(data) : data };
}

/** Between two attempts to connect: long enough not to take a core, short beside a start. */
function pause() {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
