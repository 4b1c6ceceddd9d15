// kill -9, fifty times, under load: what was acknowledged is there, once, in order, and everybody goes on.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Follower } from './lib/follower.mjs';
import { differences, Ledger } from './lib/ledger.mjs';
import { LineClient, NODE } from './lib/line-client.mjs';
import { Publisher } from './lib/publisher.mjs';
import { Rng, seedOfRun } from './lib/rng.mjs';
import { tidings } from './lib/run.mjs';
import { Server } from './lib/server.mjs';
import { SteadyPublisher } from './lib/steady-publisher.mjs';
import { until, within } from './lib/until.mjs';

/** When the server is killed, and how often. */
const MOMENTS = { 'under load': 26, 'a batch in flight': 12, 'starting up': 8, 'stopping': 4 };
const KILLS = Object.values(MOMENTS).reduce((sum, count) => sum + count, 0);

/** The longest it is left alone: with fifty kills, half a minute of load. */
const ALONE_MS = 800;

/** Of one batch, from its last byte to its answer: a kill falls before, within and behind its commit. */
const BATCH_MS = 8;

/** A start takes so long and longer: a kill falls anywhere in it. */
const START_MS = 60;

/** Ending takes about so long: streams are ended over half a second, and then the log is closed. */
const STOP_MS = 700;

/** Publishers of single events, and of batches. */
const SINGLE = 6;
const BATCHES = 2;

const TOPICS = ['kill/a', 'kill/b', 'kill/b/c', 'kill/d'];

/** From the last event to the last client's screen: an EventSource waits for 3 s and reads what it missed. */
const ARRIVAL_MS = 30_000;

/** All of it, on a busy machine. */
const ALL_MS = 180_000;

let server;

before(async () => {
  server = await Server.start();
  // A history that is empty is restart.test.mjs's to look at.
  await new Publisher(server.url, 'before').publish('everything');
});

after(() => server?.close());

test(`nothing acknowledged is lost or doubled by ${KILLS} kills`, { timeout: ALL_MS }, async (t) => {
  const seed = seedOfRun();
  console.log(`seed ${seed} (SEED=${seed} repeats its choices)`);
  const ledger = new Ledger();
  const publishers = makePublishers(seed, ledger);
  const listeners = await openListeners();
  t.after(() => Promise.all(listeners.map(({ client }) => client.close())));
  t.after(() => publishers.forEach((publisher) => publisher.abandon()));

  let failed;
  const running = Promise.all(publishers.map((publisher) => publisher.run()));
  running.catch((error) => (failed = error));
  const kills = await killAll(Rng.named(seed, 'kills'), ledger, publishers, () => failed);
  for (const publisher of publishers) publisher.stop();
  await within('the last answers', running, ARRIVAL_MS);

  const summary = { kills, ...summaryOf(publishers, ledger, listeners) };
  await t.test('every publisher was told the truth', () => {
    assert.deepEqual(publishers.flatMap(({ complaints }) => complaints), []);
  });
  for (const { name, matches, client } of listeners) {
    await t.test(`${name} saw everything`, async () => {
      const expected = ledger.expected(matches);
      let seen;
      const isThere = async () => {
        seen = (await client.received()).filter(({ type }) => !type.startsWith('tidings.'));
        return seen.length >= expected.length;
      };
      await until(() => `${name}: ${differences(expected, seen)}`, isThere, ARRIVAL_MS);
      assert.deepEqual(differences(expected, seen), []);
      const gaps = client.gaps ?? (await client.received()).filter(({ type }) => type === 'tidings.gap');
      assert.deepEqual(gaps, []);
      summary.seen += expected.length;
    });
  }
  await t.test('the history is what was acknowledged', () => assertHistory(ledger));
  await t.test('`tidings log verify` finds nothing', async () => {
    await server.stop();
    const { code, stdout, stderr } = await tidings(['log', 'verify', '--data-dir', server.dataDir], '.');
    assert.equal(code, 0, stdout + stderr);
  });
  console.log(Object.entries({ ...summary, seed }).map(([name, count]) => `${name} ${count}`).join(', '));
  for (const [name, count] of Object.entries(summary)) {
    // A tail is torn only where the kernel was interrupted within a write, which is luck.
    if (name !== 'torn tails') assert.ok(count > 0, `${name}: ${count}`);
  }
  assert.equal(summary.kills, KILLS);
});

function makePublishers(seed, ledger) {
  return Array.from({ length: SINGLE + BATCHES }, (_, i) => {
    const name = `${i < SINGLE ? 'single' : 'batches'}-${i}`;
    return new SteadyPublisher(name, Rng.named(seed, name), server, ledger, TOPICS, { batches: i >= SINGLE });
  });
}

/** One of each form and kind; each begins before the first publish, and so must see all that its topics get. */
async function openListeners() {
  const follow = async (name, form, target, matches) => ({ name, matches, client: await Follower.start(name, form, server, target) });
  const listeners = await Promise.all([
    follow('SSE of one topic', 'sse', '/topics/kill/a?', (topic) => topic === 'kill/a'),
    follow('SSE of several topics', 'enveloped', '/events?topic=kill/b&topic=kill/d', (topic) => ['kill/b', 'kill/d'].includes(topic)),
    follow('SSE of a pattern', 'sse', '/events?topic=kill/**', () => true),
    follow('JSON lines of a pattern', 'ndjson', '/events?topic=kill/*', (topic) => topic !== 'kill/b/c'),
    follow('JSON lines of a topic and a pattern', 'ndjson', '/events?topic=kill/a&topic=kill/b/**', (topic) => /^kill\/(a|b)/.test(topic)),
  ]);
  const url = `${server.url}/events?topic=kill/b/*&topic=kill/a&envelope=none`;
  const client = new LineClient(NODE, ['clients/undici.mjs', url, 'message', 'note', 'tidings.open', 'tidings.gap']);
  await until('undici to listen', async () => (await client.received()).length > 0);
  return [...listeners, { name: "undici's EventSource", matches: (topic) => ['kill/a', 'kill/b/c'].includes(topic), client }];
}

/** Kills it at every moment of the list, in random order, and leaves it running; answers with how often it was killed. */
async function killAll(rng, ledger, publishers, failed) {
  const left = rng.shuffle(Object.entries(MOMENTS).flatMap(([moment, count]) => Array(count).fill(moment)));
  let kills = 0;
  while (left.length > 0) {
    const moment = left.pop();
    await moments[moment](rng, publishers);
    const { signal } = await server.stop('SIGKILL');
    if (signal === 'SIGKILL') kills += 1;
    // It was told to stop, and had stopped already: that was no kill.
    else if (moment === 'stopping') left.unshift(moment);
    else assert.fail(`${moment}: it ended by itself:\n${server.run.output}`);
    await server.startAgain();
    const before = ledger.count;
    await until('a publish after the start', () => failed() || ledger.count > before);
    if (failed()) throw failed();
  }
  return kills;
}

/** Each returns at the moment to kill. */
const moments = {
  async 'under load'(rng) {
    await sleep(rng.float() * ALONE_MS);
  },
  async 'a batch in flight'(rng, publishers) {
    await rng.pick(publishers.slice(SINGLE)).sent();
    await sleep(rng.float() * BATCH_MS);
  },
  async 'starting up'(rng) {
    // Behind a clean end, or behind another kill.
    await server.stop(rng.pick(['SIGTERM', 'SIGKILL']));
    server.launch();
    await sleep(rng.float() * START_MS);
  },
  async stopping(rng) {
    process.kill(server.run.pid, 'SIGTERM');
    await sleep(rng.float() * STOP_MS);
  },
};

/** Random moments, not waiting for anything. */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A reader who was never there before gets all of it, and pages too. */
async function assertHistory(ledger) {
  const expected = ledger.expected();
  const reader = await Follower.start('a new reader', 'ndjson', server, '/events?topic=kill/**&since=all');
  await reader.arrived(expected.at(-1).id).finally(() => reader.close());
  assert.deepEqual([...differences(expected, await reader.received()), ...reader.gaps], []);
}

function summaryOf(publishers, ledger, listeners) {
  const sum = (name) => publishers.reduce((total, { counts }) => total + counts[name], 0);
  return {
    acknowledged: ledger.count,
    repeated: sum('repeated'),
    'answered as duplicates': sum('duplicates'),
    'asked again on purpose': sum('askedAgain'),
    'connections of subscribers': listeners.reduce((total, { client }) => total + (client.connections ?? 0), 0),
    seen: 0,
    'torn tails': server.said.split('\n').filter((line) => /^log .* was cut off at byte/.test(line)).length,
  };
}
