// Subscribers for assertions: the head, and everything as it came. (The clients under test are in clients/.)

import http from 'node:http';

import { until, within } from './until.mjs';

const HEAD_MS = 10_000;

/** One response that goes on. What its body is made of is the subclasses' to say. */
class Reader {
  #response;
  #rest = '';
  #separator;
  #resolveOver;
  ended = false;
  /** Resolves when `ended` turns true. */
  over = new Promise((resolve) => (this.#resolveOver = resolve));

  constructor(separator) {
    this.#separator = separator;
  }

  /** Subscribes; resolves with the head, whatever its status. */
  async open(url, headers) {
    const answer = new Promise((resolve, reject) => {
      http.get(url, { agent: false, headers }, resolve).on('error', reject);
    });
    this.#response = await within(`the head of ${url}`, answer, HEAD_MS);
    this.status = this.#response.statusCode;
    this.headers = this.#response.headers;
    this.#response.setEncoding('utf8');
    this.#response.on('data', (text) => this.#take(text));
    this.#response.on('error', () => {});
    this.#response.on('close', () => {
      this.ended = true;
      this.#resolveOver();
    });
    return this;
  }

  /** What has come of a piece that is not whole. */
  get unfinished() {
    return this.#rest;
  }

  /** Whether the body came to its proper end: with its last chunk, not by a cut. */
  get endedCleanly() {
    return this.ended && this.#response.complete;
  }

  close() {
    this.#response.destroy();
  }

  #take(text) {
    const pieces = (this.#rest + text).split(this.#separator);
    this.#rest = pieces.pop();
    for (const piece of pieces) this.handlePiece(piece);
  }
}

/** `text/event-stream`. */
export class Stream extends Reader {
  /** Blocks with at least one field, as `{ event, id, data, retry }`; `event`, `id` and `retry` only where they stood. */
  blocks = [];

  static open(url, headers = {}) {
    return new Stream('\n\n').open(url, { accept: 'text/event-stream', ...headers });
  }

  /** The published events so far. */
  get events() {
    return this.blocks.filter((block) => block.data !== undefined && !block.event?.startsWith('tidings.'));
  }

  /** The first control event of this name, if it has come: `control('gap')`. */
  control(name) {
    return this.blocks.find((block) => block.event === `tidings.${name}`);
  }

  /** Waits until `count` published events are here, and answers with them. */
  async take(count, deadlineMs) {
    await until(() => `${count} events; ${this.events.length} came`, () => this.events.length >= count, deadlineMs);
    return this.events;
  }

  handlePiece(block) {
    const fields = parseBlock(block);
    if (Object.keys(fields).length > 0) this.blocks.push(fields);
  }
}

/** `application/x-ndjson`. */
export class JsonLines extends Reader {
  /** Every line, parsed. */
  lines = [];

  static open(url, headers = {}) {
    return new JsonLines('\n').open(url, { accept: 'application/x-ndjson', ...headers });
  }

  /** The published events so far. */
  get events() {
    return this.lines.filter((line) => line.control === undefined);
  }

  /** Waits until `count` published events are here, and answers with them. */
  async take(count) {
    await until(() => `${count} lines; ${this.events.length} came`, () => this.events.length >= count);
    return this.events;
  }

  handlePiece(line) {
    this.lines.push(JSON.parse(line));
  }
}

/** Tidings ends lines with LF and writes one space behind the colon. */
function parseBlock(block) {
  const fields = {};
  for (const line of block.split('\n')) {
    const [, name, value] = line.match(/^([^:]*):? ?(.*)$/s);
    if (name === 'data') fields.data = fields.data === undefined ? value : `${fields.data}\n${value}`;
    else if (name !== '') fields[name] = value;
  }
  return fields;
}
