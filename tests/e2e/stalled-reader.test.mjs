// A reader that stalls in the middle of a frame costs one frame and 256 KiB, delays nobody, and reads on afterwards.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { LineClient, PYTHON } from './lib/line-client.mjs';
import { Publisher } from './lib/publisher.mjs';
import { Server } from './lib/server.mjs';
import { Stream } from './lib/stream.mjs';
import { until } from './lib/until.mjs';

const EVENT_BYTES = 64 << 10;
const EVENTS = (64 << 20) / EVENT_BYTES;

/** What stands around the data of a frame: chunk header, id, field names, line ends. */
const FRAME_OVERHEAD_BYTES = 256;

/** One frame and 256 KiB: what hub and hyper together may hold for one stalled reader. */
const HELD_BYTES_MAX = EVENT_BYTES + FRAME_OVERHEAD_BYTES + (256 << 10);

/** 64 MiB through a release build take seconds; a machine busy with a build is allowed some more. */
const ALL_READ_MS = 60_000;

const TOPIC = 'stall';

test('64 MiB behind a stalled reader', { timeout: 5 * 60_000 }, async () => {
  const server = await Server.start();
  const before = await new Publisher(server.url, TOPIC).publish('before', 'start');
  const target = `/topics/${TOPIC}?since=${encodeURIComponent(before)}`;
  const stalled = new LineClient(PYTHON, ['clients/stalled_reader.py', server.port, target]);
  const lively = await Stream.open(`${server.url}${target}`);
  try {
    const publisher = new Publisher(server.url, TOPIC);
    await publisher.publish(dataOf(0));
    await until('the reader to stall in its first event', async () => (await stalled.received())[0]?.stalled);

    const heldMost = await publishAll(server, publisher);
    await lively.take(EVENTS, ALL_READ_MS);
    assert.deepEqual(lively.events.map((event) => event.id), publisher.published.map((event) => event.id));

    const held = await heldBytes(server);
    console.log(`held for the stalled reader: ${held} bytes; the most while publishing, all readers: ${heldMost}; allowed ${HELD_BYTES_MAX}`);
    assert.ok(held > 0, 'the counters see the stalled reader');
    assert.ok(held <= HELD_BYTES_MAX, `${held} bytes held, ${HELD_BYTES_MAX} allowed`);

    await publisher.publish('over', 'end');
    stalled.say('read on');
    await until('the stalled reader to read to the end', async () => stalled.events.at(-1)?.type === 'end', ALL_READ_MS);
    assertCompleteOrGap(stalled.events.slice(1));
  } finally {
    lively.close();
    await stalled.close();
    await server.close();
  }
});

/** Numbered, so that the reader can tell what it has missed. */
function dataOf(number) {
  return `${number} `.padEnd(EVENT_BYTES, '.');
}

/** What hub (beyond the tail) and transport hold, for all connections. */
async function heldBytes(server) {
  const metrics = await server.metrics();
  for (const name of ['tidings_held_bytes', 'tidings_transport_bytes']) assert.ok(metrics.has(name), `/metrics has ${name}`);
  return metrics.get('tidings_held_bytes') + metrics.get('tidings_transport_bytes');
}

/** Publishes the rest, one acknowledgement after the other; answers with the most that was held meanwhile. */
async function publishAll(server, publisher) {
  let most = 0;
  for (let number = 1; number < EVENTS; number += 1) {
    await publisher.publish(dataOf(number));
    if (number % 64 === 0) most = Math.max(most, await heldBytes(server));
  }
  return most;
}

/** Every event once and in order; a jump only directly behind a gap event. */
function assertCompleteOrGap(items) {
  let expected = 0;
  let gap = false;
  for (const item of items.filter(({ type }) => type !== 'tidings.open')) {
    if (item.type === 'tidings.gap') {
      gap = true;
    } else if (item.type === 'message') {
      assert.ok(gap ? item.number >= expected : item.number === expected, `event ${item.number} where ${expected} was next`);
      assert.equal(item.length, EVENT_BYTES);
      expected = item.number + 1;
      gap = false;
    }
  }
  assert.equal(expected, EVENTS, 'it has read to the newest event');
}
