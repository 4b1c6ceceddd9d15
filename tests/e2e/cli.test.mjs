// The command line against a real server: `tidings publish`, `tidings listen`, `tidings explain`, and their exit codes.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';

import { CutClient } from './lib/cut-client.mjs';
import { LineClient } from './lib/line-client.mjs';
import { stored, storedData } from './lib/pages.mjs';
import { freePort } from './lib/ports.mjs';
import { Publisher } from './lib/publisher.mjs';
import { rawRequest } from './lib/raw.mjs';
import { seedOfRun } from './lib/rng.mjs';
import { BINARY, Run, tidings as tidingsIn } from './lib/run.mjs';
import { Server } from './lib/server.mjs';
import { temporaryDirectory } from './lib/temporary.mjs';
import { until, within } from './lib/until.mjs';

/** The exit codes of `tidings`, as `tidings --help` lists them. */
const EXIT = { done: 0, failed: 1, usage: 2, refused: 3, addressInUse: 4, unreachable: 5, dataDirTaken: 6, dataDirNewer: 7, logFailed: 8 };

/** More than two batches of 10,000 lines. */
const LINES = 25_000;

/** One of each place: after a cut that brought no event the next wait is longer, so more would take minutes. */
const CUTS = 6;

let server;
let directory;

before(async () => {
  [server, directory] = await Promise.all([Server.start(), temporaryDirectory()]);
});

after(async () => {
  await server?.close();
  await directory?.remove();
});

/** Runs `tidings` to its end; `input` is its standard input. */
const tidings = (args, input) => tidingsIn(args, directory.path, input);

/** Runs it against the server under test. */
const withServer = (args, input) => tidings([...args, '--url', server.url], input);

suite('tidings publish', () => {
  test('an argument is an event, and its id is printed', async () => {
    const topic = 'cli/argument ü %41';
    const { code, stdout, stderr } = await withServer(['publish', topic, 'one\ntwo', '--type', 'greeting']);
    assert.deepEqual([code, stderr], [EXIT.done, '']);
    const [event, ...more] = await stored(server, topic);
    assert.deepEqual(more, []);
    assert.deepEqual([event.id, event.type, event.data], [stdout.trimEnd(), 'greeting', 'one\ntwo']);
  });

  test(`${LINES} lines of standard input are as many events, in order`, async () => {
    const lines = Array.from({ length: LINES }, (_, i) => (i % 100 === 7 ? '' : `${i} Grüße "${'x'.repeat(i % 50)}"`));
    // The last line needs no line break, and others may end as on Windows.
    const input = lines.map((line, i) => (i % 3 === 0 ? `${line}\r\n` : `${line}\n`)).join('').trimEnd();
    const { code, stdout, stderr } = await withServer(['publish', 'cli/lines', '-'], input);
    assert.deepEqual([code, stderr], [EXIT.done, '']);
    const events = await stored(server, 'cli/lines');
    assert.deepEqual(events.map((event) => event.data), lines);
    assert.deepEqual(stdout.trimEnd().split('\n'), events.map((event) => event.id));
  });

  test('a file is one event, byte for byte', async () => {
    const file = path.join(directory.path, 'noise.png');
    const bytes = randomBytes(100_000);
    await writeFile(file, bytes);
    const { code, stderr } = await withServer(['publish', 'cli/file', '--file', file]);
    assert.deepEqual([code, stderr], [EXIT.done, '']);
    const [event] = await stored(server, 'cli/file');
    assert.equal(event.content_type, 'image/png');
    assert.ok(Buffer.from(event.data_base64, 'base64').equals(bytes));
  });

  test('what the server refuses ends with 3 and names the code', async () => {
    const { code, stdout, stderr } = await withServer(['publish', 'a//b', 'x']);
    assert.deepEqual([code, stdout], [EXIT.refused, '']);
    assert.match(stderr, /^error: .*tidings explain invalid_topic.*\n$/);
  });

  test('of lines, the good ones are published and the others named; the end is 3', async () => {
    const tooLarge = 'x'.repeat((1 << 20) + 1);
    const { code, stdout, stderr } = await withServer(['publish', 'cli/some'], `one\n${tooLarge}\nthree\n`);
    assert.equal(code, EXIT.refused);
    assert.match(stderr, /^line 2 was refused: .*event_too_large/);
    assert.deepEqual(await storedData(server, 'cli/some'), ['one', 'three']);
    assert.equal(stdout.trimEnd().split('\n').length, 2);
  });

  test('a server that is not there ends with 5', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const { code, stdout, stderr } = await tidings(['publish', 'cli/nobody', 'x', '--url', url]);
    assert.deepEqual([code, stdout], [EXIT.unreachable, '']);
    assert.match(stderr, /connection refused/);
  });
});

suite('tidings listen', () => {
  test(`goes on behind ${CUTS} cuts, and misses and doubles nothing`, { timeout: 120_000 }, async () => {
    const seed = seedOfRun();
    const client = await CutClient.open('tidings listen', seed, server, listenTo, { cuts: CUTS });
    try {
      await client.run();
      console.log(`seed ${seed}: ${client.histogram}; events ${client.published.length}`);
      assert.deepEqual(await client.received(), client.published);
      assert.equal(client.gaps, 0, 'a gap was reported');
      assert.deepEqual(client.histogram.ends, { fin: CUTS / 2, reset: CUTS / 2 });
      assert.deepEqual(client.histogram.emptyPlaces, []);
    } finally {
      await client.close();
    }
  });

  test('for people: time, topic, type and data of each event', async (t) => {
    const listener = new Run(['listen', 'cli/people', 'cli/p/*', '--since', 'all', '--url', server.url], directory.path);
    t.after(() => listener.stop('SIGKILL'));
    await new Publisher(server.url, 'cli/p/one').publish('hello\nworld', 'greeting');
    await until(() => `the event; so far ${listener.output}`, () => listener.stdout.includes('world\n'));
    assert.match(listener.stdout, /^\d\d:\d\d:\d\d\.\d{3}  cli\/p\/one  greeting  hello\n +world\n$/);
    assert.deepEqual(await listener.stop('SIGINT'), { code: EXIT.done, signal: null });
  });

  test('--json, --last and --type: the JSON form, control events among it', async (t) => {
    const publisher = new Publisher(server.url, 'cli/json');
    for (const [data, type] of [['one'], ['two', 'note'], ['three'], ['four', 'note']]) await publisher.publish(data, type);
    const args = ['listen', 'cli/json', '--json', '--last', '1', '--type', 'note', '--url', server.url];
    const listener = new Run(args, directory.path);
    t.after(() => listener.stop('SIGKILL'));
    const lines = () => listener.stdout.split('\n').slice(0, -1).map((line) => JSON.parse(line));
    await until('two lines', () => lines().length >= 2);
    const [open, event] = lines();
    assert.equal(open.control, 'tidings.open');
    const { time, ...rest } = event;
    const { id } = publisher.published[3];
    assert.deepEqual(rest, { id, topic: 'cli/json', type: 'note', content_type: 'text/plain', data: 'four' });
    assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, time);
  });

  test('the address of any event stream will do', async (t) => {
    const id = await new Publisher(server.url, 'cli/address').publish('hello', 'note');
    const listener = new Run(['listen', `${server.url}/topics/cli/address?last=1`, '--json'], directory.path);
    t.after(() => listener.stop('SIGKILL'));
    const last = () => listener.stdout.split('\n').at(-2);
    await until('the event', () => last() === JSON.stringify({ id, type: 'note', data: 'hello' }));
  });

  test('what the server refuses ends with 3 at once: no coming back changes it', async () => {
    const { code, stdout, stderr } = await withServer(['listen', 'a//b']);
    assert.deepEqual([code, stdout], [EXIT.refused, '']);
    assert.match(stderr, /^error: .*tidings explain invalid_topic.*\n$/);
  });
});

suite('tidings explain', () => {
  test('explains every code that it lists', async () => {
    const { code, stderr } = await tidings(['explain', 'x']);
    assert.equal(code, EXIT.usage);
    const codes = stderr.match(/there are (.*)\n/)[1].split(', ');
    assert.ok(codes.length > 20 && codes.includes('origin_refused'), stderr);
    for (const each of codes) {
      const explained = await tidings(['explain', each]);
      assert.equal(explained.code, EXIT.done, each);
      assert.ok(explained.stdout.includes(each) && /\b[45]\d\d\b/.test(explained.stdout), explained.stdout);
      assert.ok(explained.stdout.length > 100, `more than its name: ${explained.stdout}`);
    }
  });

  test('and so the code of any answer', async () => {
    const answer = await rawRequest(server.port, ['GET /tropics/x HTTP/1.1']);
    const { code } = await tidings(['explain', JSON.parse(answer.body).code]);
    assert.equal(code, EXIT.done);
  });
});

suite('exit codes', () => {
  test('--help lists them', async () => {
    const { code, stdout } = await tidings(['--help']);
    assert.equal(code, EXIT.done);
    const table = [...stdout.matchAll(/^ {2}(\d) {2}(.+)$/gm)].map(([, number, meaning]) => [Number(number), meaning]);
    assert.deepEqual(table.map(([number]) => number), Object.values(EXIT));
    assert.match(table[EXIT.refused][1], /refused/);
    assert.match(table[EXIT.addressInUse][1], /address in use/);
  });

  for (const flag of ['--listen', '--admin-listen']) {
    test(`4 in one line: ${flag} is in use`, async () => {
      const other = flag === '--listen' ? '--admin-listen' : '--listen';
      const address = `127.0.0.1:${server.port}`;
      const { code, stderr } = await tidings(['serve', '--no-demo', flag, address, other, '127.0.0.1:0']);
      assert.equal(code, EXIT.addressInUse);
      assert.match(stderr, new RegExp(`^error: ${address} is in use.*\n$`));
    });
  }

  const usage = [
    ['listen'],
    ['listen', 'x', '--last', 'many'],
    ['listen', 'x', '--since', 'all', '--last', '3'],
    ['listen', 'https://127.0.0.1/x'],
    ['publish'],
    ['publish', 'x', 'data', '--file', 'data'],
    ['publish', 'x', '--url', 'ftp://127.0.0.1'],
    ['explain'],
    ['serve', '--allowed-origin', 'app.example', '--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--no-demo'],
  ];
  for (const args of usage) {
    test(`2 in one line: tidings ${args.slice(0, 5).join(' ')}`, async () => {
      const { code, stdout, stderr } = await tidings(args);
      assert.deepEqual([code, stdout], [EXIT.usage, '']);
      assert.match(stderr, /^error: .+\n$/);
    });
  }

  test('1: a file that is not there', async () => {
    const { code, stderr } = await withServer(['publish', 'x', '--file', 'nowhere.txt']);
    assert.equal(code, EXIT.failed);
    assert.match(stderr, /^error: nowhere\.txt: .+\n$/);
  });
});

/** `tidings listen` in the place that `url` names. */
function listenTo(url) {
  const { origin, pathname, searchParams } = new URL(url);
  const topic = decodeURIComponent(pathname.slice('/topics/'.length));
  const args = ['listen', topic, '--json', '--since', searchParams.get('since'), '--url', origin];
  return new LineClient(BINARY, args, parseLine);
}

function parseLine(line) {
  const { control, id, type, data } = JSON.parse(line);
  return { id, type: control ?? type, data };
}
