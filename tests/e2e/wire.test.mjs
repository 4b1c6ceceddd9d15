// The cases of tidings-wire's decoder, given to real Chromium: its EventSource must do what the two JSON files say the
// decoder does. So the files are checked against the browser, not only against ourselves.
//
// Each case is one EventSource on a host name of its own (a browser opens six connections a host). Its first
// connection carries the case's bytes; when the page has reported the expected events, while the connection is still
// open, the server ends it and watches the reconnect: after which delay, with which Last-Event-ID. The second
// connection carries one more event, behind a BOM, which shows the id that the page itself kept.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, suite, test } from 'node:test';

import { cdpEvents, launch } from './lib/chromium.mjs';
import { listen } from './lib/ports.mjs';
import { Rng, seedOfRun } from './lib/rng.mjs';
import { until, within } from './lib/until.mjs';

const SEED = seedOfRun();
/** What Chromium waits when a stream has said nothing. */
const DEFAULT_RETRY_MS = 3000;
/**
 * Above a busy machine's lateness, below the distance between the delays the cases use (0 or 200, 1000, 3000): the more
 * there is, the longer the delay.
 */
const lateMsMax = (delay) => (delay < 1000 ? 700 : 1900);
/** Timers of the browser and of the server are not the same clock. */
const EARLY_MS_MAX = 20;
/** A delay from here on is not waited for: that the default has long passed without a reconnect is the proof. */
const NEVER_MS_MIN = 60_000;
/** Between two pieces: long enough that the browser reads them one by one. */
const PIECE_GAP_MS = 30;
/** For all of one case: the default delay and what a busy machine adds. */
const CASE_DEADLINE_MS = 30_000;
/** Chromium opens 256 sockets in all. */
const RUNS_AT_ONCE = 64;

const AGAIN = Buffer.from('\ufeffdata:again\n\n');

/** Every case of both files, and those too large to be written down. */
function allCases() {
  const files = ['vectors.json', 'cases.json'].flatMap((name) =>
    JSON.parse(readFileSync(new URL(`../../crates/tidings-wire/tests/${name}`, import.meta.url), 'utf8')),
  );
  const cases = files.map((entry) => ({ ...entry, bytes: Buffer.from(entry.b64, 'base64') }));
  const long = 'x'.repeat(1 << 20);
  const large = (name, stream, expect) => ({ name, bytes: Buffer.from(stream), expect, eof: false });
  cases.push(large('large-line', `data:${long}\n\n`, [['message', long, '']]));
  cases.push(large('large-comment', `data:1\n:${long}\ndata:2\n\n`, [['message', '1\n2', '']]));
  return cases;
}

/** One case on its way through the browser. */
class Run {
  constructor(index, entry, pieces) {
    Object.assign(this, { index, entry, pieces, events: [], connections: 0 });
    this.allEvents = new Promise((resolve) => (this.#seen = resolve));
    this.done = new Promise((resolve) => (this.#finish = resolve));
    this.#check();
  }

  #seen;
  #finish;

  get delayExpected() {
    return this.entry.retry?.at(-1) ?? DEFAULT_RETRY_MS;
  }

  get reported() {
    return this.events.length + (this.again === undefined ? 0 : 1);
  }

  /** The page reports an event. */
  handleEvent(event) {
    // By its data, not by the connection: a report may come late, and with `retry: 0` the reconnect does not wait.
    if (event[1] === 'again') {
      this.again = event;
      this.#finish();
      return;
    }
    this.events.push(event);
    this.#check();
  }

  /** The browser connects. */
  async handleRequest(request, response) {
    this.connections += 1;
    response.writeHead(200, { 'content-type': 'text/event-stream', 'access-control-allow-origin': '*' });
    response.flushHeaders();
    if (this.connections > 1) {
      this.delay = performance.now() - this.endedAt;
      this.header = request.headers['last-event-id'];
      response.write(AGAIN);
      return;
    }
    for (const [i, piece] of this.pieces.entries()) {
      if (i > 0) await new Promise((resolve) => setTimeout(resolve, PIECE_GAP_MS));
      if (piece.length > 0) response.write(piece);
    }
    // What must fire must fire while the connection is open, or the list stays short and the test says so.
    if (!this.entry.eof) await within(`the events of ${this.entry.name}`, this.allEvents).catch(() => {});
    // Before, not behind: on a busy machine this process may stand still right after the end has gone out.
    this.endedAt = performance.now();
    response.end();
    if (this.delayExpected >= NEVER_MS_MIN) setTimeout(this.#finish, DEFAULT_RETRY_MS + lateMsMax(DEFAULT_RETRY_MS));
  }

  #check() {
    if (this.events.length >= this.entry.expect.length) this.#seen();
  }
}

/** Runs in the page: opens `url` and reports what fires, under every type that any case expects. */
function openSource({ url, index, types }) {
  const source = new EventSource(url);
  for (const type of types) {
    source.addEventListener(type, (event) => {
      // `open` and `error` of the browser itself are no messages.
      if (event instanceof MessageEvent) window.report(index, [event.type, event.data, event.lastEventId]);
    });
  }
  window.sources ??= new Map();
  window.sources.set(index, source);
}

let browser;
let server;
let port;
let runs = [];

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

before(async () => {
  server = http.createServer((request, response) => {
    const index = /^\/case\/(\d+)$/.exec(request.url)?.[1];
    if (index === undefined) response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>');
    else runs[Number(index)].handleRequest(request, response);
  });
  port = await listen(server);
  browser = await launch(['--host-resolver-rules=MAP *.wire.test 127.0.0.1']);
});

after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
});

/**
 * Gives every case to the browser, some at a time, in the pieces that `cut` makes of its bytes. Answers with the runs,
 * and with the rows that the browser's own network panel would show: they have every event, whatever its type.
 */
async function runAll(cases, cut) {
  runs = cases.map((entry, index) => new Run(index, entry, cut(entry)));
  const types = [...new Set(['message', ...cases.flatMap(({ expect }) => expect.map(([type]) => type))])];
  const page = await browser.newPage();
  await page.exposeFunction('report', (index, event) => runs[index].handleEvent(event));
  await page.goto(`http://page.wire.test:${port}/`);
  const rows = await cdpEvents(page, 'Network', 'eventSourceMessageReceived');
  const waiting = [...runs];
  const one = async (run) => {
    const { index } = run;
    const url = `http://case-${index}.wire.test:${port}/case/${index}`;
    await page.evaluate(openSource, { url, index, types });
    await within(run.entry.name, run.done, CASE_DEADLINE_MS).catch(() => {});
    await page.evaluate((i) => window.sources.get(i).close(), index);
  };
  const worker = async () => {
    for (let run = waiting.shift(); run; run = waiting.shift()) await one(run);
  };
  await Promise.all(Array.from({ length: RUNS_AT_ONCE }, worker));
  const reported = () => sum(runs.map((run) => run.reported));
  await until('the rows of the network panel', () => rows.length >= reported());
  await page.close();
  return { runs, rows: rows.length, reported: reported() };
}

/** What one case promises, held against what the browser did. */
function compare({ entry, events, connections, delay, delayExpected, header, again, pieces }) {
  const cut = `cut at byte ${pieces[0].length}`;
  assert.deepEqual(events, entry.expect, cut);
  if (delayExpected >= NEVER_MS_MIN) {
    assert.equal(connections, 1, 'it reconnected');
    return;
  }
  assert.equal(connections, 2, 'it did not reconnect');
  const range = [delayExpected - EARLY_MS_MAX, delayExpected + lateMsMax(delayExpected)];
  assert.ok(delay >= range[0] && delay <= range[1], `reconnected after ${delay} ms, not ${range.join(' to ')}; ${cut}`);
  if (entry.last_event_id === undefined) return;
  assert.deepEqual(again, ['message', 'again', entry.last_event_id]);
  // A header's value loses the blanks around it (P31), and there is no header for no id.
  const value = header === undefined ? '' : Buffer.from(header, 'latin1').toString('utf8');
  assert.equal(value, entry.last_event_id.replace(/^[ \t]+|[ \t]+$/g, ''));
  if (entry.last_event_id === '') assert.equal(header, undefined, 'an empty id is not sent');
}

const cases = allCases();
const inTwo = ({ name, bytes }) => {
  const at = Rng.named(SEED, name).between(0, bytes.length);
  return [bytes.subarray(0, at), bytes.subarray(at)];
};

for (const [title, cut] of [
  ['whole', ({ bytes }) => [bytes]],
  [`in two pieces, SEED=${SEED}`, inTwo],
]) {
  suite(`Chromium decodes every case as tidings-wire does, ${title}`, () => {
    let done;
    before(async () => (done = await runAll(cases, cut)));
    for (const [index, { name }] of cases.entries()) test(name, () => compare(done.runs[index]));
    test('no event fired that nobody listened for', () => assert.equal(done.rows, done.reported));
  });
}
