// A restart is nothing that a subscriber or a publisher has to know of: the history, its ids and its keys go on.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { suite, test } from 'node:test';

import { Follower } from './lib/follower.mjs';
import { epochOf, seqOf } from './lib/ledger.mjs';
import { PageClient } from './lib/page-client.mjs';
import { stored } from './lib/pages.mjs';
import { Publisher } from './lib/publisher.mjs';
import { Server } from './lib/server.mjs';
import { shellClient } from './lib/shell-client.mjs';
import { serverAndBrowser } from './lib/stage.mjs';
import { Stream } from './lib/stream.mjs';
import { temporaryDirectory } from './lib/temporary.mjs';
import { until } from './lib/until.mjs';

const TYPES = ['message', 'note', 'tidings.open', 'tidings.gap', 'tidings.end'];

/** The longest `retry` that a drain gives is 6 s. */
const RETURN_MS = 20_000;

const stage = serverAndBrowser();

for (const [signal, saysGoodbye] of [['SIGTERM', true], ['SIGKILL', false]]) {
  suite(`across a restart by ${signal}`, () => {
    test('an EventSource of Chromium gets everything once and in order, and hears of no gap', async (t) => {
      const topic = `restart/${signal}`;
      const page = await PageClient.open(stage.browser, `http://localhost:${stage.server.port}/topics/${topic}`, TYPES);
      t.after(() => page.close());
      const all = await publishAcross(signal, topic, page);
      const opened = all.filter(({ type }) => type === 'tidings.open');
      assert.equal(opened.length, 2, 'it came back once');
      assert.equal(all.filter(({ type }) => type === 'tidings.end').length, saysGoodbye ? 1 : 0);
      assert.equal(epochOf(opened[1].id), epochOf(opened[0].id));
    });

    test('the shell loop of the guide too', async (t) => {
      const directory = await temporaryDirectory();
      t.after(() => directory.remove());
      const topic = `restart/shell/${signal}`;
      const client = await shellClient(directory.path, `http://localhost:${stage.server.port}/topics/${topic}`);
      t.after(() => client.close());
      const all = await publishAcross(signal, topic, client);
      assert.equal(all.filter(({ type }) => type === 'tidings.open').length, 2, 'it came back once');
    });

    test('a key is remembered: the first answer again, and another body is refused', async () => {
      const send = (body, path = '/topics/restart/keys') => {
        const headers = { 'content-type': 'text/plain', 'idempotency-key': `across ${signal}` };
        return fetch(stage.server.url + path, { method: 'POST', headers, body });
      };
      const first = await (await send('paid')).json();
      await restart(signal);
      assert.deepEqual(await (await send('paid')).json(), { ...first, duplicate: true });
      const other = await send('paid twice');
      assert.deepEqual([other.status, (await other.json()).code], [409, 'idempotency_mismatch']);
      // And it is still scoped to its topic.
      const elsewhere = await (await send('paid', '/topics/restart/keys/elsewhere')).json();
      assert.deepEqual([elsewhere.duplicate, seqOf(elsewhere.id) > seqOf(first.id)], [undefined, true]);
      const kept = await stored(stage.server, 'restart/keys');
      assert.deepEqual(kept.filter(({ id }) => seqOf(id) >= seqOf(first.id)).map(({ id, data }) => ({ id, data })), [{ id: first.id, data: 'paid' }]);
    });

    test('an id of before is a place to go on from, and a page reads across', async () => {
      const topic = `restart/page/${signal}`;
      const publisher = new Publisher(stage.server.url, topic);
      for (const data of ['one', 'two']) await publisher.publish(data);
      const before = await stored(stage.server, topic);
      await restart(signal);
      await publisher.publish('three');
      const after = await stored(stage.server, topic);
      assert.deepEqual(after.slice(0, 2), before, 'times, types and ids are what they were');
      assert.deepEqual(after.map(({ id, type = 'message', data }) => ({ id, type, data })), publisher.published);
      const stream = await Stream.open(`${stage.server.url}/topics/${topic}`, { 'last-event-id': publisher.published[0].id });
      const [two, three] = await stream.take(2);
      stream.close();
      assert.deepEqual([two.data, three.data, stream.headers['tidings-gap'], stream.control('gap')], ['two', 'three', undefined, undefined]);
    });
  });
}

test('a history without events is a history too: who waits for the first one hears of no gap', async () => {
  const server = await Server.start();
  try {
    const follower = await Follower.start('who waits', 'sse', server, '/events?topic=restart/first');
    await until('the opening', async () => (await follower.received(), follower.lastEventId !== undefined));
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGKILL']) {
      await server.stop(signal);
      await server.startAgain();
    }
    const publisher = new Publisher(server.url, 'restart/first');
    const id = await publisher.publish('first');
    await follower.arrived(id).finally(() => follower.close());
    assert.deepEqual([await follower.received(), follower.gaps], [publisher.published, []]);
  } finally {
    await server.close();
  }
});

suite('a data directory that is gone begins a new history', () => {
  test('who comes back with an id of the old one is told so, and goes on', async (t) => {
    const topic = 'restart/lost';
    const page = await PageClient.open(stage.browser, `http://localhost:${stage.server.port}/topics/${topic}`, TYPES);
    t.after(() => page.close());
    const received = () => page.received();
    const ofType = async (type) => (await received()).filter((event) => event.type === type);
    await until('the stream to open', async () => (await received()).length === 1);
    const old = new Publisher(stage.server.url, topic);
    await old.publish('one');
    await until('the event', async () => (await ofType('message')).length === 1);
    await loseData();
    const fresh = new Publisher(stage.server.url, topic);
    await fresh.publish('two');
    await until('the first event of the new history', async () => (await ofType('message')).length >= 2, RETURN_MS);

    assert.deepEqual(await ofType('message'), [...old.published, ...fresh.published]);
    const [gap, ...more] = await ofType('tidings.gap');
    assert.deepEqual(more, [], 'one gap');
    const { requested, resumed, ...rest } = JSON.parse(gap.data);
    assert.deepEqual(rest, { reason: 'unknown', truncated: false });
    assert.deepEqual([requested, resumed], [old.published[0].id, gap.id]);
    assert.notEqual(epochOf(gap.id), epochOf(requested));
    const place = (id) => received().then((all) => all.findIndex((event) => event.id === id && event.type !== 'tidings.open'));
    assert.ok((await place(gap.id)) < (await place(fresh.published[0].id)), 'the gap stands where events are missing');
  });

  test('the head says it too, and the id of the gap is a place to return to', async () => {
    const topic = 'restart/head';
    const id = await new Publisher(stage.server.url, topic).publish('lost');
    await loseData();
    await new Publisher(stage.server.url, topic).publish('kept');
    const open = (lastEventId) => Stream.open(`${stage.server.url}/topics/${topic}`, { 'last-event-id': lastEventId });
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
});

async function restart(signal) {
  await stage.server.stop(signal);
  await stage.server.startAgain();
}

async function loseData() {
  await stage.server.stop();
  await rm(stage.server.dataDir, { recursive: true });
  await stage.server.startAgain();
}

/**
 * Publishes before a restart, behind it while `client` is away, and when it is back; asserts that it got exactly these and
 * no gap. Answers with all it received, control events too.
 */
async function publishAcross(signal, topic, client) {
  const publisher = new Publisher(stage.server.url, topic);
  const events = async () => (await client.received()).filter(({ type }) => !type.startsWith('tidings.'));
  const arrived = (count) => until(`${count} events`, async () => (await events()).length >= count, RETURN_MS);
  await until('the stream to open', async () => (await client.received()).length === 1);
  await publisher.publish('one');
  await publisher.publish('two', 'note');
  await arrived(2);
  await restart(signal);
  // The client waits for its retry, a second at the least: this one is history when it comes back.
  await publisher.publish('three', 'note');
  await arrived(3);
  await publisher.publish('four');
  await arrived(4);
  assert.deepEqual(await events(), publisher.published);
  const epochs = new Set(publisher.published.map(({ id }) => epochOf(id)));
  assert.equal(epochs.size, 1, 'one history');
  const seqs = publisher.published.map(({ id }) => seqOf(id));
  assert.deepEqual(seqs.toSorted((a, b) => a - b), seqs);
  const all = await client.received();
  assert.deepEqual(all.filter(({ type }) => type === 'tidings.gap'), []);
  return all;
}
