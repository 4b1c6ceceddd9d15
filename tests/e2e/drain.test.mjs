// SIGTERM: every stream ends between two events and is told when to return, what is new is refused, and the end is a clean one.

import assert from 'node:assert/strict';
import net from 'node:net';
import { after, beforeEach, suite, test } from 'node:test';

import { page } from './lib/pages.mjs';
import { Publisher } from './lib/publisher.mjs';
import { Server } from './lib/server.mjs';
import { JsonLines, Stream } from './lib/stream.mjs';
import { until, within } from './lib/until.mjs';

const TOPIC = 'drain/news';

/** Enough to see the draws of their retries differ. */
const STREAMS = 20;

/** The table of endings (docs/reference): `drain`, in milliseconds. */
const RETRY = { min: 2000, max: 6000 };

/** More than both ends' socket buffers take on loopback: 6 MiB and 4 MiB by Linux's defaults. */
const STALL_EVENTS = 24;
const EVENT_BYTES = 1 << 20;

const CLEAN = { code: 0, signal: null };

let server;

beforeEach(async () => {
  await server?.close();
  server = await Server.start();
});

after(() => server?.close());

suite('SIGTERM', () => {
  test('ends every stream at an event boundary, with a reason and a time to return', async () => {
    const url = `${server.url}/topics/${TOPIC}?since=all`;
    const streams = await Promise.all(Array.from({ length: STREAMS }, (_, i) => Stream.open(i % 4 === 0 ? `${url}&envelope=json` : url)));
    const lines = await JsonLines.open(url);
    const poll = page(server, '/topics/drain/quiet?wait=50s');
    await until('all to listen', async () => (await server.metric('tidings_subscribers')) === STREAMS + 2);
    const publisher = new Publisher(server.url, TOPIC);
    for (const data of ['one', 'two\nlines']) await publisher.publish(data);
    await Promise.all([...streams, lines].map((stream) => stream.take(2)));

    assert.deepEqual(await server.stop('SIGTERM'), CLEAN);
    const retries = new Set(streams.map(assertEnded));
    assert.ok(retries.size > 1, `all of them were told to return after ${[...retries]} ms`);

    assert.ok(lines.endedCleanly);
    const end = lines.lines.at(-1);
    assert.deepEqual([end.control, end.id, end.data.reason], ['tidings.end', undefined, 'drain']);
    assert.ok(end.data.retry >= RETRY.min && end.data.retry <= RETRY.max);
    assert.deepEqual((await within('the answer to the poll', poll)).events, []);
    assert.ok(server.run.stderr.endsWith(`stopped; ${STREAMS + 2} streams were ended\n`), server.run.stderr);
  });

  test('while it drains it is not ready, and sends away whoever comes', async (t) => {
    const stalled = await stall();
    t.after(() => stalled.socket.destroy());
    assert.equal((await fetch(`${server.adminUrl}/readyz`)).status, 200);

    process.kill(server.run.pid, 'SIGTERM');
    // The stalled stream holds the drain open until its grace is over.
    const notReady = await until('/readyz to say no', async () => {
      const answer = await fetch(`${server.adminUrl}/readyz`);
      return !answer.ok && answer;
    });
    assert.equal(notReady.status, 503);
    assert.match(await notReady.text(), /draining/);

    const refused = await until('a publish to be refused', async () => {
      const answer = await fetch(`${server.url}/topics/${TOPIC}`, { method: 'POST', body: 'too late' });
      return !answer.ok && answer;
    });
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal((await refused.json()).code, 'draining');

    // An EventSource never returns after a 503: a stream is answered, and ended.
    const late = await Stream.open(`${server.url}/topics/${TOPIC}`);
    assert.deepEqual([late.status, late.headers['content-type'], late.headers.connection], [200, 'text/event-stream', 'close']);
    await until('its end', () => late.ended);
    assertEnded(late);
    assert.equal(late.blocks.length, 1);

    assert.deepEqual(await within('the end', server.run.ended), CLEAN);
    const cut = await within('the cut of the stalled stream', stalled.end());
    assert.doesNotMatch(cut.last, /\r\n0\r\n\r\n$/, 'in the middle of an event, without a last chunk');
    assert.equal(cut.code, 'ECONNRESET');
    assert.ok(!server.run.stderr.includes('panicked'), server.run.stderr);
  });
});

/** A stream came to its proper end behind `tidings.end`; answers with when its client is to return. */
function assertEnded(stream) {
  assert.ok(stream.endedCleanly, 'with its last chunk');
  assert.equal(stream.unfinished, '');
  const { event, id, data, retry } = stream.blocks.at(-1);
  const told = JSON.parse(data);
  assert.deepEqual([event, id, told.reason], ['tidings.end', undefined, 'drain']);
  assert.equal(Number(retry), told.retry);
  assert.ok(told.retry >= RETRY.min && told.retry <= RETRY.max, `retry ${told.retry}`);
  return told.retry;
}

/** A subscriber that reads nothing, until its socket takes nothing more. */
async function stall() {
  const socket = net.connect(server.port, '127.0.0.1');
  socket.write(`GET /topics/drain/large HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await until('the reader to listen', async () => (await server.metric('tidings_subscribers')) === 1);
  const publisher = new Publisher(server.url, 'drain/large');
  for (let i = 0; i < STALL_EVENTS; i += 1) await publisher.publish(`${i}`.padEnd(EVENT_BYTES, '.'));
  await until('the reader to stall', async () => (await server.metric('tidings_subscribers_blocked')) === 1);
  return {
    socket,
    /** Reads what came before the cut; answers with the last bytes, and with the error's code if it was a reset. */
    end: () =>
      new Promise((resolve) => {
        const cut = { last: '', code: undefined };
        socket.on('data', (bytes) => (cut.last = (cut.last + bytes.toString('latin1')).slice(-100)));
        socket.on('error', ({ code }) => (cut.code = code));
        socket.on('close', () => resolve(cut));
      }),
  };
}
