// An answer is a promise: between the write of an event and the write of its answer stands a sync that succeeded.
//
// kill -9 proves nothing of this, as the kernel keeps what was written; so the kernel is asked what it was asked for.

import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';

import { storedData } from './lib/pages.mjs';
import { Server } from './lib/server.mjs';
import { callsIn, failingSync, isSync, tracing, wayOf } from './lib/strace.mjs';
import { Stream } from './lib/stream.mjs';
import { temporaryDirectory } from './lib/temporary.mjs';
import { until } from './lib/until.mjs';

const CALLS = ['pwrite64', 'pwritev', 'pwritev2', 'write', 'writev', 'fdatasync', 'fsync', 'sendto', 'sendmsg'];

/** What the server counts: groups of publishes that were answered together, and batches written, each with its sync. */
const COMMITS = 'tidings_log_groups_total';
const SYNCS = 'tidings_log_batches_total';

/** Publishes one after the other, and of so many at once how many each. */
const SINGLE = 40;
const AT_ONCE = 16;
const EACH = 8;

/** Which sync of a thread fails: behind those of a small spare, and some publishes. */
const FAILS = 12;

/** The exit code of a server whose log has failed, as `tidings --help` lists it. */
const LOG_FAILED = 8;

/** Events of one batch: one commit however many. */
const LINES = 500;

let server;
let directory;
/** Of each test: the topics it published to, in the order of their answers, and what was counted meanwhile. */
const published = {};

before(async () => {
  directory = await temporaryDirectory();
  server = await Server.start([], { wrapper: tracing(trace(), CALLS) });
  published.single = await counted(async () => {
    const topics = [];
    for (let i = 0; i < SINGLE; i += 1) topics.push(await publish(`syncs/single/${numbered(i)}`));
    return topics;
  });
  published.parallel = await counted(async () => {
    const one = async (lane) => {
      for (let i = 0; i < EACH; i += 1) await publish(`syncs/parallel/${numbered(lane)}/${numbered(i)}`);
      return Array.from({ length: EACH }, (_, i) => `syncs/parallel/${numbered(lane)}/${numbered(i)}`);
    };
    return (await Promise.all(Array.from({ length: AT_ONCE }, (_, lane) => one(lane)))).flat();
  });
  published.batch = await counted(async () => {
    const topics = Array.from({ length: LINES }, (_, i) => `syncs/batch/${numbered(i)}`);
    const body = topics.map((topic) => JSON.stringify({ topic, data: 'x' })).join('\n');
    const answer = await fetch(`${server.url}/events`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body });
    assert.equal(answer.status, 200);
    await answer.text();
    return [topics[0]];
  });
  // The trace is whole when the server has ended.
  await server.stop();
  published.calls = await callsIn(trace());
});

after(async () => {
  await server?.close();
  await directory?.remove();
});

suite('a sync stands before each answer', () => {
  test('of publishes one after the other, with a commit and a sync for each', () => {
    const { topics, commits, syncs } = published.single;
    assert.deepEqual([commits, syncs], [SINGLE, SINGLE]);
    assert.equal(syncsBetween(topics), SINGLE);
  });

  test('of many at once, which share them', () => {
    const { topics, commits, syncs } = published.parallel;
    assert.equal(commits, syncs, 'one sync a commit');
    assert.equal(syncsBetween(topics), syncs, 'what is counted is what was done');
    assert.ok(commits < topics.length, `${topics.length} publishes in ${commits} commits`);
  });

  test(`of a batch of ${LINES}, with one commit`, () => {
    const { topics, commits, syncs } = published.batch;
    assert.deepEqual([commits, syncs], [1, 1]);
    assert.equal(syncsBetween(topics), 1);
  });
});

suite('a sync that fails', () => {
  test('its publish has an unknown outcome, nothing is published any more, and reading goes on', async (t) => {
    // The smallest spares there are: filling them takes few syncs, and none of those may be the one that fails.
    const failing = await Server.start(['--retain-bytes', '16MiB'], { wrapper: failingSync(trace(), FAILS) });
    t.after(() => failing.close());
    const send = async (i) => {
      const headers = { 'content-type': 'text/plain', 'idempotency-key': `fails ${i}` };
      const answer = await fetch(`${failing.url}/topics/fails`, { method: 'POST', headers, body: `${i}` });
      return { status: answer.status, ...(await answer.json()) };
    };
    const listener = await Stream.open(`${failing.url}/topics/fails`);
    t.after(() => listener.close());
    const acknowledged = [];
    let failed;
    for (let i = 0; !failed; i += 1) {
      const answer = await send(i);
      if (answer.status === 200) acknowledged.push(`${i}`);
      else failed = { number: i, answer };
      // Counted in each thread by itself: one who publishes alone is synced by the log's writer or by the thread that serves him.
      assert.ok(i <= 2 * FAILS, 'no sync failed');
    }
    assert.ok(acknowledged.length > 0, 'some were published before');
    assert.deepEqual([failed.answer.status, failed.answer.code], [503, 'outcome_unknown']);
    for (const i of [1, 2]) assert.equal((await send(failed.number + i)).code, 'log_failed');
    assert.deepEqual([(await send(failed.number)).status, (await fetch(`${failing.adminUrl}/readyz`)).status], [503, 503]);
    assert.deepEqual(await storedData(failing, 'fails'), acknowledged);
    assert.deepEqual((await listener.take(acknowledged.length)).map(({ data }) => data), acknowledged, 'what failed was shown to nobody');

    assert.deepEqual(await failing.stop(), { code: LOG_FAILED, signal: null });
    const again = await Server.start(['--retain-bytes', '16MiB'], { dataDir: failing.dataDir });
    t.after(() => again.close());
    // Whatever became of it, repeated with its key it is there once.
    const headers = { 'content-type': 'text/plain', 'idempotency-key': `fails ${failed.number}` };
    assert.equal((await fetch(`${again.url}/topics/fails`, { method: 'POST', headers, body: `${failed.number}` })).status, 200);
    assert.deepEqual(await storedData(again, 'fails'), [...acknowledged, `${failed.number}`]);
  });
});

/** Asserts that each of these went its way, and answers with how many syncs of segments there were from first to last. */
function syncsBetween(topics) {
  const ways = topics.map((topic) => [topic, wayOf(topic, published.calls)]);
  for (const [topic, { record, syncs, answer }] of ways) {
    assert.ok(record && answer, `${topic}: its record (${record?.begun}) and its answer (${answer?.begun})`);
    assert.ok(syncs.length > 0, `${topic}: no sync between its record and its answer`);
  }
  const first = Math.min(...ways.map(([, { record }]) => record.begun));
  const last = Math.max(...ways.map(([, { answer }]) => answer.begun));
  return published.calls.filter((call) => isSync(call) && call.begun > first && call.done < last).length;
}

function trace() {
  return path.join(directory.path, 'trace');
}

/** Numbers of one width: none is the beginning of another. */
function numbered(i) {
  return String(i).padStart(4, '0');
}

async function publish(topic) {
  const answer = await fetch(`${server.url}/topics/${topic}`, { method: 'POST', body: 'x' });
  assert.equal(answer.status, 200);
  await answer.text();
  return topic;
}

/** Runs `publishAll`, which answers with topics, and says what the server counted meanwhile. */
async function counted(publishAll) {
  const counts = async () => [await server.metric(COMMITS), await server.metric(SYNCS)];
  const [commits, syncs] = await counts();
  const topics = await publishAll();
  // An answer may be here a moment before it is counted.
  return until('commits and syncs to agree', async () => {
    const [commitsAfter, syncsAfter] = await counts();
    return commitsAfter - commits === syncsAfter - syncs && { topics, commits: commitsAfter - commits, syncs: syncsAfter - syncs };
  });
}
