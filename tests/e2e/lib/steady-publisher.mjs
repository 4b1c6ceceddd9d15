// A publisher that gives up on nothing: what was not answered is sent again, with the same keys, until it is.

import http from 'node:http';

import { seqOf } from './ledger.mjs';

/** One in so many publishes repeats, on purpose, one that was answered before. */
const ASK_AGAIN_EVERY = 40;

/** Lines of a batch, at most: a commit of many records, and yet several batches between two kills. */
const BATCH_LINES = 60;

/** So many answered publishes are remembered to be asked again: all of them well within the server's window of keys. */
const REMEMBERED = 500;

/** A request that is not answered by then never is. */
const ANSWER_MS = 15_000;

/** How Node names a connection that went away under a request. */
const CUT = new Set(['ECONNRESET', 'EPIPE']);

export class SteadyPublisher {
  #rng;
  #port;
  #topics;
  #ledger;
  #batches;
  #number = 0;
  #newest = 0;
  #answered = [];
  #stopping = false;
  /** One connection, kept alive. */
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  #abandoned = false;
  #resolveSent;
  counts = { requests: 0, repeated: 0, duplicates: 0, askedAgain: 0 };
  /** What the server may not do, as sentences. */
  complaints = [];

  /** `batches`: NDJSON batches to `/events`, else single events. */
  constructor(name, rng, server, ledger, topics, { batches }) {
    this.name = name;
    this.#rng = rng;
    this.#port = server.port;
    this.#ledger = ledger;
    this.#topics = topics;
    this.#batches = batches;
  }

  /** Publishes until it is told to stop; what was begun then is published too. */
  async run() {
    while (!this.#stopping) {
      if (this.#answered.length > 0 && this.#rng.below(ASK_AGAIN_EVERY) === 0) await this.#askAgain();
      else await this.#publish(this.#draw());
    }
    this.#agent.destroy();
  }

  stop() {
    this.#stopping = true;
  }

  /** Stops it at once: for a test that has failed already. */
  abandon() {
    [this.#stopping, this.#abandoned] = [true, true];
  }

  /** Resolves when the next request has left whole, and its answer cannot be here yet. */
  sent() {
    return new Promise((resolve) => (this.#resolveSent = resolve));
  }

  #draw() {
    const count = this.#batches ? this.#rng.between(2, BATCH_LINES) : 1;
    return Array.from({ length: count }, () => this.#drawEvent());
  }

  #drawEvent() {
    this.#number += 1;
    // Only a batch can give an event two topics.
    const topics = this.#batches && this.#rng.below(8) === 0 ? this.#rng.shuffle([...this.#topics]).slice(0, 2) : [this.#rng.pick(this.#topics)];
    const length = this.#rng.below(20) === 0 ? this.#rng.below(9_000) : this.#rng.below(200);
    const data = `${this.name} ${this.#number} ${'x'.repeat(length)}`;
    return { topics, type: this.#rng.below(3) === 0 ? 'note' : 'message', data, key: `${this.name}-${this.#number}` };
  }

  async #publish(events) {
    const { answers, attempts } = await this.#untilAnswered(events);
    const duplicates = answers.filter((answer) => answer.duplicate).length;
    if (attempts === 1 && duplicates > 0) this.#complain(`sent once, and answered as a duplicate: ${events[0].key}`);
    // A batch is one append: it survives a crash whole, or not at all.
    if (duplicates > 0 && duplicates < answers.length) this.#complain(`${duplicates} of ${answers.length} lines survived: ${events[0].key}`);
    if (duplicates > 0) this.counts.duplicates += 1;
    for (const [i, { id }] of answers.entries()) {
      const { topics, type, data } = events[i];
      if (seqOf(id) <= this.#newest) this.#complain(`${id} was answered behind ${this.#newest}: ${events[i].key}`);
      this.#newest = seqOf(id);
      this.#ledger.acknowledge({ id, topics, type, data });
    }
    this.#answered.push({ events, ids: answers.map(({ id }) => id) });
    if (this.#answered.length > REMEMBERED) this.#answered.shift();
  }

  /** A key that was answered is answered the same, however many crashes lie between. */
  async #askAgain() {
    const { events, ids } = this.#rng.pick(this.#answered);
    const { answers } = await this.#untilAnswered(events);
    this.counts.askedAgain += 1;
    for (const [i, { id, duplicate }] of answers.entries()) {
      if (id !== ids[i] || !duplicate) this.#complain(`${events[i].key} was ${ids[i]}, and asked again ${id}, duplicate ${duplicate}`);
    }
  }

  async #untilAnswered(events) {
    for (let attempts = 1; ; ) {
      if (this.#abandoned) throw new Error(`${this.name} was abandoned`);
      const { answers, refused } = await this.#send(events);
      if (answers) return { answers, attempts };
      // Who was not let in has sent nothing: that is no attempt, and the next one repeats nothing.
      if (refused) await pause();
      else this.counts.repeated += 1;
      attempts += refused ? 0 : 1;
    }
  }

  /** One attempt: `answers`, one for each event, or `refused`, or neither when nobody knows what became of it. */
  async #send(events) {
    try {
      const { status, text } = await this.#exchange(this.#batches ? asBatch(events) : asSingle(events[0]));
      // A server that is stopping takes nothing new, and says so.
      if (status === 503 && JSON.parse(text).code === 'draining') return { refused: true };
      if (status !== 200) throw new Error(`${this.name}: ${status} ${text}`);
      return { answers: text.trimEnd().split('\n').map((line) => JSON.parse(line)) };
    } catch (error) {
      if (error.code === 'ECONNREFUSED') return { refused: true };
      if (CUT.has(error.code)) return {};
      throw error;
    }
  }

  #exchange({ path, headers, body }) {
    this.counts.requests += 1;
    return new Promise((resolve, reject) => {
      const length = { 'content-length': Buffer.byteLength(body) };
      const options = { port: this.#port, host: '127.0.0.1', method: 'POST', path, agent: this.#agent, headers: { ...headers, ...length } };
      const request = http.request(options, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece) => (text += piece));
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode, text }));
      });
      request.setTimeout(ANSWER_MS, () => request.destroy(new Error(`${this.name}: no answer in ${ANSWER_MS} ms`)));
      request.on('finish', () => this.#resolveSent?.());
      request.on('error', reject);
      request.end(body);
    });
  }

  #complain(sentence) {
    this.complaints.push(`${this.name}: ${sentence}`);
  }
}

function asSingle({ topics, type, data, key }) {
  const headers = { 'content-type': 'text/plain', 'idempotency-key': key };
  return { path: `/topics/${topics[0]}`, headers: type === 'message' ? headers : { ...headers, 'event-type': type }, body: data };
}

function asBatch(events) {
  const lines = events.map(({ topics, type, data, key }) => {
    const where = topics.length === 1 ? { topic: topics[0] } : { topics };
    return JSON.stringify({ ...where, ...(type === 'message' ? {} : { type }), data, idempotency_key: key });
  });
  return { path: '/events', headers: { 'content-type': 'application/x-ndjson' }, body: lines.join('\n') };
}

/** Between two attempts to connect: long enough not to take a core, short beside a start. */
function pause() {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
