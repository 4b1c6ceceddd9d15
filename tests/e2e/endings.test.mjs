// A server that ends streams by itself, at their greatest age or because it has too many: an EventSource never gives up on it.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';

import { launch } from './lib/chromium.mjs';
import { PageClient } from './lib/page-client.mjs';
import { Publisher } from './lib/publisher.mjs';
import { Server } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const TYPES = ['message', 'tidings.open', 'tidings.gap', 'tidings.end'];

/** So many times a stream is ended at its greatest age, and comes back. */
const ROTATIONS = 3;

/** For one of them: the age (and a fifth), and the longest time until the return. */
const ROTATION_MS = 20_000;

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

/** Runs `use` with a server that has these flags besides. */
async function withServer(flags, use) {
  const server = await Server.start(flags);
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

/** Runs `use` with an EventSource of Chromium on `topic`. */
async function withListener(server, topic, use) {
  const listener = await PageClient.open(browser, `http://localhost:${server.port}/topics/${topic}`, TYPES);
  try {
    await use(listener);
  } finally {
    await listener.close();
  }
}

async function ofType(listener, type) {
  return (await listener.received()).filter((event) => event.type === type);
}

suite('in Chromium', () => {
  test('streams end at their greatest age, and nothing is missed or doubled', { timeout: 120_000 }, () =>
    withServer(['--max-age', '1s'], (server) =>
      withListener(server, 'endings/age', async (listener) => {
        await until('the stream to open', async () => (await ofType(listener, 'tidings.open')).length === 1);
        const publisher = new Publisher(server.url, 'endings/age');
        // On and on, whether or not the listener is there.
        await until(
          'the rotations',
          async () => {
            await publisher.publish(`${publisher.published.length}`);
            return (await ofType(listener, 'tidings.open')).length > ROTATIONS;
          },
          ROTATIONS * ROTATION_MS,
        );
        const messages = () => ofType(listener, 'message');
        const last = publisher.published.at(-1).id;
        await until('the last event', async () => (await messages()).some(({ id }) => id === last), ROTATION_MS);
        assert.deepEqual(await messages(), publisher.published);
        assert.deepEqual(await ofType(listener, 'tidings.gap'), []);
        const reasons = (await ofType(listener, 'tidings.end')).map(({ data }) => JSON.parse(data).reason);
        assert.ok(reasons.length >= ROTATIONS);
        assert.deepEqual([...new Set(reasons)], ['max_age']);
      }),
    ),
  );

  test('one too many is told to come back later, and the others go on', () =>
    withServer(['--subscribers-max', '1'], (server) =>
      withListener(server, 'endings/load', async (first) => {
        await until('the first stream to open', async () => (await ofType(first, 'tidings.open')).length === 1);
        await withListener(server, 'endings/load', async (second) => {
          const [end] = await until('the end of the second', async () => {
            const ends = await ofType(second, 'tidings.end');
            return ends.length > 0 && ends;
          });
          const { reason, retry } = JSON.parse(end.data);
          assert.equal(reason, 'overload');
          assert.ok(retry >= 30_000 && retry <= 90_000, `retry ${retry}`);
          // A 503 would have closed it for good.
          await until('it to wait', async () => (await second.readyState()) === 0);
          const publisher = new Publisher(server.url, 'endings/load');
          await publisher.publish('for the first');
          await until('the event', async () => (await ofType(first, 'message')).length === 1);
          assert.deepEqual(await ofType(second, 'message'), []);
          assert.equal(await server.metric('tidings_requests_refused_total{code="overloaded"}'), 1);
        });
      }),
    ),
  );
});
