// History is in memory: a restart begins a new one. Who comes back with an id of the old one is told so, and goes on.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './lib/chromium.mjs';
import { PageClient } from './lib/page-client.mjs';
import { Publisher } from './lib/publisher.mjs';
import { Server } from './lib/server.mjs';
import { shellClient } from './lib/shell-client.mjs';
import { Stream } from './lib/stream.mjs';
import { temporaryDirectory } from './lib/temporary.mjs';
import { until } from './lib/until.mjs';

const TYPES = ['message', 'tidings.open', 'tidings.gap', 'tidings.end'];

/** The longest `retry` that a drain gives is 6 s. */
const RETURN_MS = 20_000;

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([Server.start(), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.close();
});

for (const [signal, saysGoodbye] of [['SIGTERM', true], ['SIGKILL', false]]) {
  test(`an EventSource of Chromium goes on across a restart by ${signal}, and hears of the gap`, async () => {
    const topic = `restart/${signal}`;
    const page = await PageClient.open(browser, `http://localhost:${server.port}/topics/${topic}`, TYPES);
    try {
      const received = () => page.received();
      const ofType = async (type) => (await received()).filter((event) => event.type === type);
      await until('the stream to open', async () => (await received()).length === 1);
      const old = new Publisher(server.url, topic);
      for (const data of ['one', 'two']) await old.publish(data);
      await until('both', async () => (await ofType('message')).length === 2);

      await server.stop(signal);
      await server.startAgain();
      // The page may be away still, or back already: it must get this one either way.
      const fresh = new Publisher(server.url, topic);
      await fresh.publish('three');
      await until('the first event of the new history', async () => (await ofType('message')).length >= 3, RETURN_MS);
      await fresh.publish('four');
      await until('the next, live', async () => (await ofType('message')).length >= 4);

      assert.deepEqual(await ofType('message'), [...old.published, ...fresh.published]);
      assert.equal((await ofType('tidings.end')).length, saysGoodbye ? 1 : 0);
      const [gap, ...more] = await ofType('tidings.gap');
      assert.deepEqual(more, [], 'one gap');
      const { requested, resumed, ...rest } = JSON.parse(gap.data);
      assert.deepEqual(rest, { reason: 'unknown', truncated: false });
      assert.deepEqual([requested, resumed], [old.published[1].id, gap.id]);
      assert.notEqual(epochOf(gap.id), epochOf(requested));
      const all = await received();
      const place = (data) => all.findIndex((event) => event.type === 'message' && event.data === data);
      const gapAt = all.findIndex((event) => event.type === 'tidings.gap');
      assert.ok(place('two') < gapAt && gapAt < place('three'), 'the gap stands where events are missing');
    } finally {
      await page.close();
    }
  });
}

test('the shell loop of the guide comes back by itself too', async (t) => {
  const directory = await temporaryDirectory();
  t.after(() => directory.remove());
  const client = await shellClient(directory.path, `http://localhost:${server.port}/topics/restart/shell`);
  t.after(() => client.close());
  await until('the stream to open', async () => (await client.received()).length === 1);
  await new Publisher(server.url, 'restart/shell').publish('before');
  await until('the event', async () => (await client.received()).at(-1).data === 'before');
  await server.stop('SIGKILL');
  await server.startAgain();
  await new Publisher(server.url, 'restart/shell').publish('after');
  await until('the event of the new history', async () => (await client.received()).at(-1).data === 'after', RETURN_MS);
  const types = (await client.received()).map(({ type }) => type);
  assert.deepEqual(types, ['tidings.open', 'message', 'tidings.open', 'tidings.gap', 'message']);
});

test('the head says it too, and the id of the gap is a place to return to', async () => {
  const topic = 'restart/head';
  const id = await new Publisher(server.url, topic).publish('lost');
  await server.stop();
  await server.startAgain();
  const fresh = new Publisher(server.url, topic);
  await fresh.publish('kept');
  const open = (lastEventId) => Stream.open(`${server.url}/topics/${topic}`, { 'last-event-id': lastEventId });
  const first = await open(id);
  await first.take(1);
  first.close();
  assert.equal(first.headers['tidings-gap'], 'unknown');
  const second = await open(first.control('gap').id);
  await second.take(1);
  second.close();
  assert.equal(second.headers['tidings-gap'], undefined);
  assert.equal(second.control('gap'), undefined);
  for (const { events } of [first, second]) assert.deepEqual(events.map((event) => event.data), ['kept']);
});

function epochOf(id) {
  return id.slice(0, id.indexOf('.'));
}
