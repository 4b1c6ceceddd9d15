// What is kept and what is not: times to live, deleted topics, retention. What is gone is told once, and only where it is.

import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';

import { seqOf } from './lib/ledger.mjs';
import { page, resumed, storedData, topicPath } from './lib/pages.mjs';
import { publishBatch, Publisher } from './lib/publisher.mjs';
import { Server } from './lib/server.mjs';
import { Stream } from './lib/stream.mjs';
import { until } from './lib/until.mjs';

/** The shortest time to live there is, and when it is surely over. */
const TTL = '1s';
const EXPIRED_MS = 10_000;

/** The least that can be kept: segments of 2 MiB, so that this test publishes megabytes and not gigabytes. */
const RETAIN_BYTES = 16 << 20;

/** Twice and a half of it, in events of a tenth of a segment. */
const EVENTS = 200;
const EVENT_BYTES = 200 << 10;

const EXPIRED = { reason: 'expired' };

let server;

suite('a time to live', () => {
  before(async () => {
    server = await Server.start();
  });

  after(() => server?.close());

  test('an event is given to nobody once it is over, and that is no gap', async () => {
    const topic = 'ttl/news';
    const listener = await Stream.open(server.url + topicPath(topic));
    const publisher = new Publisher(server.url, topic);
    await publisher.publish('first');
    await publisher.publish('short', 'message', { 'event-ttl': TTL });
    const { status } = await publishBatch(server, [{ topic, data: 'short too', ttl: TTL }, { topic, data: 'long', ttl: '1h' }]);
    assert.equal(status, 200);
    await publisher.publish('last');
    await listener.take(5);
    listener.close();
    assert.deepEqual(listener.events.map(({ data }) => data), ['first', 'short', 'short too', 'long', 'last'], 'who listens gets them all');
    assert.deepEqual((await storedData(server, topic)).length, 5);

    await until('the end of their time', async () => (await storedData(server, topic)).length === 3, EXPIRED_MS);
    const assertGone = async () => {
      assert.deepEqual(await storedData(server, topic), ['first', 'long', 'last']);
      assert.deepEqual(await resumed(server, topic, publisher.published[0].id), { data: ['long', 'last'], gaps: [] });
      assert.deepEqual((await page(server, `${topicPath(topic)}?last=2`)).events.map(({ data }) => data), ['long', 'last']);
      const all = await Stream.open(`${server.url}${topicPath(topic)}?since=all`);
      assert.deepEqual((await all.take(3)).map(({ data }) => data), ['first', 'long', 'last']);
      all.close();
      assert.deepEqual([all.control('gap'), all.headers['tidings-gap']], [undefined, undefined]);
    };
    await assertGone();
    await server.stop('SIGKILL');
    await server.startAgain();
    await assertGone();
  });

  test('a time that is none is refused, and nothing is published', async () => {
    for (const ttl of ['30', '0s', '-1s', '1.5s', 'soon', '99999d', '']) {
      const answer = await fetch(`${server.url}/topics/ttl/bad`, { method: 'POST', headers: { 'event-ttl': ttl }, body: 'x' });
      assert.deepEqual([answer.status, (await answer.json()).code], [400, 'invalid_ttl'], JSON.stringify(ttl));
      const { status, answers } = await publishBatch(server, [{ topic: 'ttl/bad', data: 'x', ttl }]);
      assert.deepEqual([status, answers[0].error.code], [422, 'invalid_ttl'], JSON.stringify(ttl));
    }
    assert.deepEqual(await storedData(server, 'ttl/bad'), []);
  });
});

suite('a deleted topic', () => {
  before(async () => {
    server = await Server.start();
  });

  after(() => server?.close());

  const remove = (topic) => fetch(server.url + topicPath(topic), { method: 'DELETE' });

  test('its history is gone, who was behind is told once, and nobody else notices', async () => {
    const [gone, other] = [new Publisher(server.url, 'del/gone'), new Publisher(server.url, 'del/other')];
    for (const data of ['one', 'two', 'three']) {
      await gone.publish(data);
      await other.publish(data);
    }
    await publishBatch(server, [{ topics: ['del/gone', 'del/other'], data: 'of both' }]);
    const live = await Stream.open(`${server.url}/topics/del/gone`);
    const [first] = gone.published;
    const newest = (await page(server, '/topics/del/gone?last=1')).events[0].id;

    assert.equal((await remove('del/gone')).status, 204);
    assert.deepEqual(await storedData(server, 'del/gone'), []);
    const after = await gone.publish('new');
    assert.ok(seqOf(after) > seqOf(newest), 'numbers go on');
    await live.take(1);
    live.close();
    assert.deepEqual([live.events.map(({ data }) => data), live.control('gap')], [['new'], undefined], 'who listened had seen it all');

    const assertTold = async () => {
      const { data, gaps } = await resumed(server, 'del/gone', first.id);
      assert.deepEqual(data, ['new']);
      assert.equal(gaps.length, 1, 'one gap');
      const [place, { reason, requested }] = gaps[0];
      assert.deepEqual([place, reason, requested], [0, 'expired', first.id], 'before what follows');
      assert.deepEqual(await resumed(server, 'del/gone', newest), { data: ['new'], gaps: [] }, 'who had seen all of it misses nothing');
      assert.deepEqual(await resumed(server, 'del/other', other.published[0].id), { data: ['two', 'three', 'of both'], gaps: [] });
      assert.deepEqual(await storedData(server, 'del/gone'), ['new']);
    };
    await assertTold();
    for (const signal of ['SIGKILL', 'SIGTERM']) {
      await server.stop(signal);
      await server.startAgain();
      await assertTold();
    }
  });

  test('a topic that is not there, and a pattern', async () => {
    assert.equal((await remove('del/never')).status, 204);
    for (const [target, code] of [['/topics/del/*', 'invalid_topic'], ['/topics/del//x', 'invalid_topic'], ['/topics/tidings/clock', 'reserved_topic']]) {
      const answer = await fetch(server.url + target, { method: 'DELETE' });
      assert.equal((await answer.json()).code, code, target);
    }
  });
});

suite('retention by bytes', () => {
  const rare = [];
  let flood;
  let greatest = 0;

  before(async () => {
    server = await Server.start(['--retain-bytes', '16MiB', '--retain', 'keep/price/** keep_last=1']);
    rare.push(await new Publisher(server.url, 'keep/rare').publish('early'));
    const price = new Publisher(server.url, 'keep/price/eur');
    for (const data of ['1.07', '1.08', '1.09']) await price.publish(data);
    rare.push(price.published[0].id);
    flood = new Publisher(server.url, 'keep/flood');
    for (let i = 0; i < EVENTS; i += 1) {
      await flood.publish(`${i} `.padEnd(EVENT_BYTES, '.'));
      greatest = Math.max(greatest, await bytesOnDisk());
    }
  });

  after(() => server?.close());

  const flooded = async () => (await storedData(server, 'keep/flood')).map((data) => Number.parseInt(data, 10));

  test('the oldest go and nothing else, and the disk holds no more than was said', async () => {
    console.log(`retention: at most ${greatest} bytes on disk while ${EVENTS * EVENT_BYTES} were published`);
    let now;
    await until(() => `${now} bytes to be at most ${RETAIN_BYTES}`, async () => (now = await bytesOnDisk()) <= RETAIN_BYTES);
    // Publishing outruns whoever removes, by a segment or two.
    assert.ok(greatest <= RETAIN_BYTES + (4 << 20), `${greatest} bytes`);
    const kept = await flooded();
    assert.ok(kept.length * EVENT_BYTES >= RETAIN_BYTES / 2, `${kept.length} events kept of what has room for ${RETAIN_BYTES / EVENT_BYTES}`);
    const expected = Array.from({ length: kept.length }, (_, i) => EVENTS - kept.length + i);
    assert.deepEqual(kept, expected, 'the newest, without a hole');
  });

  test('who comes back gets all there is, and a gap only where something is missing', async () => {
    // The newest events are in memory too, where they may outlive their file: more than what is kept is no harm.
    const { data, gaps } = await resumed(server, 'keep/flood', flood.published[0].id);
    const first = Number.parseInt(data[0], 10);
    assert.deepEqual(data.map((each) => Number.parseInt(each, 10)), Array.from({ length: EVENTS - first }, (_, i) => first + i));
    assert.ok(data.length >= (await flooded()).length);
    assert.deepEqual(gaps.map(([place, { reason }]) => ({ place, reason })), first === 1 ? [] : [{ place: 0, ...EXPIRED }]);
  });

  test('after a kill the same is kept: who misses something is told of one gap, and nobody else of any', async () => {
    const kept = await flooded();
    await server.stop('SIGKILL');
    await server.startAgain();
    assert.deepEqual(await flooded(), kept);
    const idOf = (number) => flood.published[number].id;
    const behind = await resumed(server, 'keep/flood', idOf(0));
    assert.equal(behind.data.length, kept.length);
    assert.deepEqual(behind.gaps.map(([place, { reason }]) => ({ place, reason })), [{ place: 0, ...EXPIRED }]);
    // The last one it has is gone, and all behind it is there: nothing is missing.
    const last = await resumed(server, 'keep/flood', idOf(kept[0] - 1));
    assert.deepEqual([last.data.length, last.gaps], [kept.length, []]);
    const later = await resumed(server, 'keep/flood', idOf(kept[0]));
    assert.deepEqual([later.data.length, later.gaps], [kept.length - 1, []]);
    // Its only event is gone, and was seen by who has its id.
    assert.deepEqual(await resumed(server, 'keep/rare', rare[0]), { data: [], gaps: [] });
    assert.deepEqual(await storedData(server, 'keep/rare'), []);
  });

  test('keep_last: the newest of a topic outlives it all, and the others of it are gone', async () => {
    assert.deepEqual(await storedData(server, 'keep/price/eur'), ['1.09']);
    const { data, gaps } = await resumed(server, 'keep/price/eur', rare[1]);
    assert.deepEqual([data, gaps.map(([place, { reason }]) => ({ place, reason }))], [['1.09'], [{ place: 0, ...EXPIRED }]]);
  });
});

suite('rules for some topics', () => {
  before(async () => {
    server = await Server.start(['--retain', 'last/** keep_last=2', '--retain', 'brief/* age=3s']);
  });

  after(() => server?.close());

  test('keep_last=2: the newest two of each topic', async () => {
    const publisher = new Publisher(server.url, 'last/a');
    for (let i = 0; i < 5; i += 1) await publisher.publish(`${i}`);
    await new Publisher(server.url, 'last/b').publish('only');
    assert.deepEqual([await storedData(server, 'last/a'), await storedData(server, 'last/b')], [['3', '4'], ['only']]);
    // Until then who comes back gets more, from memory.
    await server.stop('SIGKILL');
    await server.startAgain();
    const { data, gaps } = await resumed(server, 'last/a', publisher.published[0].id);
    assert.deepEqual([data, gaps.map(([, { reason }]) => reason)], [['3', '4'], ['expired']]);
    assert.deepEqual(await resumed(server, 'last/a', publisher.published[2].id), { data: ['3', '4'], gaps: [] });
  });

  test('age=3s: gone three seconds later, and other topics are not', async () => {
    const publisher = new Publisher(server.url, 'brief/a');
    for (const data of ['one', 'two']) await publisher.publish(data);
    await new Publisher(server.url, 'brief/a/b').publish('kept');
    await until('their end', async () => (await storedData(server, 'brief/a')).length === 0, EXPIRED_MS);
    await server.stop('SIGKILL');
    await server.startAgain();
    await publisher.publish('three');
    const { data, gaps } = await resumed(server, 'brief/a', publisher.published[0].id);
    assert.deepEqual([data, gaps.map(([place, { reason }]) => ({ place, reason }))], [['three'], [{ place: 0, ...EXPIRED }]]);
    assert.deepEqual((await resumed(server, 'brief/a', publisher.published[1].id)).gaps, [], 'it had seen them all');
    assert.deepEqual(await storedData(server, 'brief/a/b'), ['kept']);
  });
});

suite('many small events', () => {
  before(async () => {
    server = await Server.start(['--retain-bytes', '16MiB']);
  });

  after(() => server?.close());

  test('what finds them again counts too: the disk holds no more than was said', async () => {
    // Twice of what is kept, with as many topics as events in a segment: their indexes are a third of them.
    const BATCHES = 60;
    const LINES = 5_000;
    for (let i = 0; i < BATCHES; i += 1) {
      const lines = Array.from({ length: LINES }, (_, k) => ({ topic: `small/${(i * LINES + k) % 20_000}`, data: 'x' }));
      assert.equal((await publishBatch(server, lines)).status, 200);
    }
    let now;
    await until(() => `${now} bytes to be at most ${RETAIN_BYTES}`, async () => (now = await bytesOnDisk()) <= RETAIN_BYTES);
  });
});

suite('restarts alone', () => {
  before(async () => {
    server = await Server.start(['--retain-bytes', '16MiB']);
  });

  after(() => server?.close());

  test('drop nothing, however many: a few events are far below what is kept', async () => {
    const publisher = new Publisher(server.url, 'restarts/news');
    const RESTARTS = 20;
    for (let i = 0; i < RESTARTS; i += 1) {
      await publisher.publish(`${i}`);
      await server.stop(i % 2 === 0 ? 'SIGKILL' : 'SIGTERM');
      await server.startAgain();
    }
    assert.deepEqual(await storedData(server, 'restarts/news'), Array.from({ length: RESTARTS }, (_, i) => `${i}`));
    assert.ok((await bytesOnDisk()) <= RETAIN_BYTES, `${await bytesOnDisk()} bytes`);
  });
});

/** What the files of the data directory take. A file that goes meanwhile takes nothing. */
async function bytesOnDisk() {
  const entries = await readdir(server.dataDir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
  const sizes = await Promise.all(files.map((file) => stat(file).then(({ blocks }) => blocks * 512, () => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
