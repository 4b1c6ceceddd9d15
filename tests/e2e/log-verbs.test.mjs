// `tidings log`: what an operator needs when something is wrong with a data directory, or before anything is.

import assert from 'node:assert/strict';
import { open, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';

import { differences, epochOf, seqOf } from './lib/ledger.mjs';
import { page, stored, storedData } from './lib/pages.mjs';
import { publishBatch, Publisher } from './lib/publisher.mjs';
import { tidings } from './lib/run.mjs';
import { Server } from './lib/server.mjs';
import { JsonLines } from './lib/stream.mjs';
import { temporaryDirectory } from './lib/temporary.mjs';
import { until } from './lib/until.mjs';

const EXIT = { done: 0, failed: 1 };

/** Enough for several pages, and for a batch. */
const EVENTS = 2_500;

const TOPICS = ['verbs/a', 'verbs/b', 'verbs/b/c', 'verbs/ü %41'];

let server;
let directory;
/** Every event of the server, as JSON lines, oldest first. */
let events;

before(async () => {
  [server, directory] = await Promise.all([Server.start(), temporaryDirectory()]);
  const lines = Array.from({ length: EVENTS }, (_, i) => lineOf(i));
  const { status } = await publishBatch(server, lines);
  assert.equal(status, 200);
  events = await allOf(server);
  assert.equal(events.length, EVENTS);
});

after(async () => {
  await server?.close();
  await directory?.remove();
});

/** Runs `tidings log …` on `dataDir`. */
const log = (dataDir, ...words) => tidings(['log', ...words, '--data-dir', dataDir], directory.path);

test('inspect: what there is, for people and as JSON, while it is served', async () => {
  const people = await log(server.dataDir, 'inspect');
  assert.deepEqual([people.code, people.stderr], [EXIT.done, '']);
  assert.match(people.stdout, new RegExp(epochOf(events[0].id)));
  const { code, stdout } = await log(server.dataDir, 'inspect', '--json');
  assert.equal(code, EXIT.done);
  const told = JSON.parse(stdout);
  assert.equal(told.epoch, epochOf(events[0].id));
  assert.equal(told.segments.reduce((sum, segment) => sum + segment.events, 0), EVENTS);
  assert.deepEqual([told.segments[0].first_id, told.segments.at(-1).last_id], [events[0].id, events.at(-1).id]);
  assert.deepEqual([told.headless, told.strangers], [[], []]);
});

test('export: lines that POST /events takes back as the same events', async (t) => {
  const { code, stdout, stderr } = await log(server.dataDir, 'export');
  assert.equal(code, EXIT.done, stderr);
  const lines = stdout.trimEnd().split('\n');
  assert.deepEqual(lines.map((line) => essence(JSON.parse(line))), events.map(essence));
  assert.deepEqual(lines.map((line) => JSON.parse(line).id), events.map(({ id }) => id));
  assert.deepEqual(lines.map((line) => 'ttl' in JSON.parse(line)), events.map((_, i) => 'ttl' in lineOf(i)), 'what is left of it');

  const fresh = await Server.start();
  t.after(() => fresh.close());
  const { status } = await publishBatch(fresh, lines);
  assert.equal(status, 200);
  assert.deepEqual((await allOf(fresh)).map(essence), events.map(essence));
});

test('export of a topic or pattern', async () => {
  for (const [pattern, matches] of [['verbs/b/**', /^verbs\/b(\/|$)/], ['verbs/a', /^verbs\/a$/]]) {
    const { code, stdout } = await log(server.dataDir, 'export', '--topic', pattern);
    assert.equal(code, EXIT.done);
    const wanted = events.filter(({ topic, topics }) => (topics ?? [topic]).some((each) => matches.test(each)));
    assert.deepEqual(stdout.trimEnd().split('\n').map((line) => JSON.parse(line).id), wanted.map(({ id }) => id), pattern);
  }
});

test('snapshot: taken while it is served and published to, and served elsewhere', async (t) => {
  const target = path.join(directory.path, 'snapshot');
  const publisher = new Publisher(server.url, 'verbs/live');
  let isTaken = false;
  const publishing = (async () => {
    while (!isTaken) await publisher.publish(`live ${publisher.published.length}`);
  })();
  await until('some to be published', () => publisher.published.length > 20);
  const before = publisher.published.length;
  const { code, stderr } = await log(server.dataDir, 'snapshot', target).finally(() => (isTaken = true));
  await publishing;
  assert.equal(code, EXIT.done, stderr);

  const copy = await Server.start([], { dataDir: target });
  t.after(() => copy.close());
  const copied = await stored(copy, 'verbs/live');
  assert.ok(copied.length >= before, `${copied.length} events of ${before} that were acknowledged before it began`);
  const expected = publisher.published.slice(0, copied.length);
  assert.deepEqual(differences(expected, copied.map(({ id, type = 'message', data }) => ({ id, type, data }))), []);
  assert.deepEqual((await allOf(copy)).filter(({ topic }) => topic !== 'verbs/live'), events, 'the same in every field');
  // The two go their own ways: what is published to one is not in the other.
  await new Publisher(copy.url, 'verbs/copy').publish('x');
  assert.deepEqual(await storedData(server, 'verbs/copy'), []);
  assert.equal((await stored(server, 'verbs/live')).length, publisher.published.length);
  await copy.stop();
  assert.equal((await log(target, 'verify')).code, EXIT.done);
  const again = await log(server.dataDir, 'snapshot', target);
  assert.equal(again.code, EXIT.failed, 'never over something that is there');
});

suite('damage', () => {
  let damaged;

  test('verify finds nothing in what is whole, and a flipped bit in what is not', async () => {
    await server.stop();
    const whole = await log(server.dataDir, 'verify');
    assert.equal(whole.code, EXIT.done, whole.stdout + whole.stderr);

    damaged = events[Math.floor(EVENTS / 2)];
    const { segment, offset } = await flipIn(server.dataDir, damaged.data);
    const { code, stdout, stderr } = await log(server.dataDir, 'verify');
    assert.equal(code, EXIT.failed, stdout + stderr);
    const places = [...stdout.matchAll(/^segment (\d+): damaged: .* from (\d+) to (\d+)/gm)].map((found) => found.slice(1).map(Number));
    assert.equal(places.length, 1, stdout);
    const [[number, from, to]] = places;
    assert.equal(number, segment);
    assert.ok(from <= offset && offset < to, `${offset} within ${from} and ${to}`);
    assert.match(stdout, new RegExp(`between event ${idBehind(damaged, -1)} and event ${idBehind(damaged, 1)}`.replaceAll('.', '\\.')));
  });

  test('the server serves all else, and tells a gap where it is', async () => {
    await server.startAgain();
    const reader = await JsonLines.open(`${server.url}/events?topic=verbs/**&since=all`);
    const live = await stored(server, 'verbs/live');
    const wanted = [...events.filter(({ id }) => id !== damaged.id), ...live].map(({ id }) => id);
    const seen = await reader.take(wanted.length);
    reader.close();
    assert.deepEqual(seen.map(({ id }) => id), wanted);
    const gap = reader.lines.findIndex(({ control }) => control === 'tidings.gap');
    assert.ok(gap >= 0, 'a gap');
    // A new publish is taken: damage in the past is no reason to stop.
    await new Publisher(server.url, 'verbs/after').publish('x');
    assert.deepEqual(await storedData(server, 'verbs/after'), ['x']);
  });

  test('export passes it over, and says so by its exit code', async () => {
    const { code, stdout, stderr } = await log(server.dataDir, 'export', '--topic', damaged.topic);
    assert.equal(code, EXIT.failed);
    assert.match(stderr, /damaged/);
    const ids = stdout.trimEnd().split('\n').map((line) => JSON.parse(line).id);
    assert.ok(!ids.includes(damaged.id) && ids.length > 0);
  });
});

test('what is no data directory is said to be none', async () => {
  for (const verb of [['inspect'], ['verify'], ['export'], ['snapshot', path.join(directory.path, 'of-nothing')]]) {
    const { code, stdout, stderr } = await log(path.join(directory.path, 'nothing'), ...verb);
    assert.deepEqual([code, stdout], [EXIT.failed, ''], verb[0]);
    assert.match(stderr, /^error: .*nothing.*\n$/, verb[0]);
  }
});

/** Text and bytes, types, several topics, times to live, and data that is long, empty, or looks like something else. */
function lineOf(i) {
  const topic = TOPICS[i % TOPICS.length];
  const where = i % 10 === 3 ? { topics: [topic, TOPICS[(i + 1) % TOPICS.length]] } : { topic };
  if (i % 7 === 2) return { ...where, content_type: 'image/png', data_base64: Buffer.from(`\x89PNG ${i}`, 'latin1').toString('base64') };
  const type = i % 5 === 1 ? { type: 'note' } : {};
  const ttl = i % 11 === 4 ? { ttl: '2h' } : {};
  return { ...where, ...type, ...ttl, data: i % 50 === 49 ? '' : `event ${i}\n${'Grüße, 消息 '.repeat(i % 20)}` };
}

/** What makes two events the same, but for their place in a history. */
function essence({ topic, topics, type, content_type, data, data_base64 }) {
  return { topic, topics, type, content_type, data, data_base64 };
}

/** Every event below `verbs`, as JSON. */
async function allOf(from) {
  const found = [];
  for (let since = 'all', more = true; more; ) {
    const answer = await page(from, `/events?topic=verbs/**&since=${encodeURIComponent(since)}`);
    found.push(...answer.events);
    [since, more] = [answer.next, answer.more];
  }
  return found;
}

/** The id of the event `step` behind `event`. */
function idBehind(event, step) {
  return events[events.findIndex(({ id }) => id === event.id) + step].id;
}

/** Flips one bit of the only place of `text` in the segments below `dataDir`; answers with where that is. */
async function flipIn(dataDir, text) {
  const names = await readdir(dataDir, { recursive: true });
  const needle = Buffer.from(text);
  for (const name of names.filter((each) => each.endsWith('.log'))) {
    const file = path.join(dataDir, name);
    const offset = (await readFile(file)).indexOf(needle);
    if (offset < 0) continue;
    const handle = await open(file, 'r+');
    await handle.write(Buffer.from([needle[0] ^ 0x10]), 0, 1, offset);
    await handle.close();
    return { segment: Number.parseInt(path.basename(name), 10), offset };
  }
  throw new Error(`no segment has ${JSON.stringify(text)}`);
}
