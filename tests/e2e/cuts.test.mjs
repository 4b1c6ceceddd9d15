// Nothing is missed and nothing comes twice, wherever the network cuts: a hundred cuts a client, each at a random byte.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { launch } from './lib/chromium.mjs';
import { CutClient, TYPES } from './lib/cut-client.mjs';
import { Cutter } from './lib/cutter.mjs';
import { LineClient, NODE, PYTHON } from './lib/line-client.mjs';
import { PageClient } from './lib/page-client.mjs';
import { CUTS } from './lib/plans.mjs';
import { seedOfRun } from './lib/rng.mjs';
import { Server } from './lib/server.mjs';
import { shellClient } from './lib/shell-client.mjs';
import { temporaryDirectory } from './lib/temporary.mjs';
import { until } from './lib/until.mjs';

/** The five side by side. */
const ALL_MS = 5 * 60_000;

/** Cuts before the first event of a connection, at the least. */
const EARLY_MIN = 20;

let server;
let browser;
let directory;

before(async () => {
  [server, browser, directory] = await Promise.all([Server.start(), launch(), temporaryDirectory()]);
});

after(async () => {
  await browser?.close();
  await server?.close();
  await directory?.remove();
});

test('nothing is missed or doubled across a hundred cuts a client', { timeout: ALL_MS + 60_000 }, async (t) => {
  const seed = seedOfRun();
  console.log(`seed ${seed} (SEED=${seed} repeats it)`);
  const clients = await openClients(seed);
  const started = performance.now();
  try {
    const outcomes = await Promise.allSettled(clients.map((client) => client.run()));
    const took = performance.now() - started;
    console.log(`all five took ${(took / 1000).toFixed(1)} s`);
    for (const client of clients) console.log(`${client.name}: ${client.histogram}; events ${client.published.length}`);
    for (const [i, client] of clients.entries()) {
      await t.test(client.name, () => assertExact(client, outcomes[i]));
    }
    assert.ok(took <= ALL_MS, `five clients side by side took ${took} ms`);
  } finally {
    await Promise.all(clients.map((client) => client.close()));
  }
});

test('a FIN inside the response head ends an EventSource of Chromium for good; a reset there does not', async () => {
  const states = {};
  for (const end of ['reset', 'fin']) {
    const cutter = await Cutter.open(server.port);
    const listener = await PageClient.open(browser, `http://localhost:${cutter.port}/topics/head`, TYPES);
    const passage = await cutter.admit({ place: 'head', eventsBefore: 0, skip: 0, share: 0.5, end });
    const { forwarded } = await passage.over;
    assert.ok(forwarded > 0, 'the cut is behind the first byte of the head');
    // Either it is closed, or it has come back and waits at the cutter.
    await until(`Chromium's answer to a ${end}`, async () => cutter.waiting > 0 || (await listener.readyState()) === 2);
    states[end] = await listener.readyState();
    await listener.close();
    cutter.close();
  }
  assert.deepEqual(states, { reset: 0, fin: 2 });
});

async function openClients(seed) {
  const open = (name, start, options) => CutClient.open(name, seed, server, start, options);
  return Promise.all([
    open('chromium', (url) => PageClient.open(browser, url, TYPES), { headsByReset: true }),
    open('eventsource', (url) => new LineClient(NODE, ['clients/eventsource.mjs', url, ...TYPES])),
    open('undici', (url) => new LineClient(NODE, ['clients/undici.mjs', url, ...TYPES])),
    open('httpx-sse', (url) => new LineClient(PYTHON, ['clients/httpx_resume.py', url])),
    open('curl', (url) => shellClient(directory.path, url)),
  ]);
}

async function assertExact(client, outcome) {
  if (outcome.status === 'rejected') throw outcome.reason;
  const { histogram } = client;
  assert.deepEqual(await client.received(), client.published);
  assert.equal(client.gaps, 0, 'a gap was reported');
  assert.equal(histogram.cuts, CUTS);
  assert.deepEqual(histogram.ends, { fin: CUTS / 2, reset: CUTS / 2 });
  assert.deepEqual(histogram.emptyPlaces, [], 'places that no cut has hit');
  assert.ok(histogram.early >= EARLY_MIN, `${histogram.early} cuts before the first event of a connection`);
  assert.ok(histogram.away >= CUTS, 'events were published before every return');
}
