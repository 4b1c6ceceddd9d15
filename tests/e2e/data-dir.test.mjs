// The data directory: one server's alone, said at the start, left out of git, left as it is by an older version, and never in the way
// when the disk is full.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFile, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';

import { storedData } from './lib/pages.mjs';
import { publishBatch, Publisher } from './lib/publisher.mjs';
import { freePort } from './lib/ports.mjs';
import { Run, tidings } from './lib/run.mjs';
import { raiseFormat } from './lib/segment.mjs';
import { Server } from './lib/server.mjs';
import { Stream } from './lib/stream.mjs';
import { temporaryDirectory } from './lib/temporary.mjs';
import { until, within } from './lib/until.mjs';

const execute = promisify(execFile);

/** The exit codes of a server whose data directory another one has, or a newer version wrote, as `tidings --help` lists them. */
const DATA_DIR_TAKEN = 6;
const DATA_DIR_NEWER = 7;

/** A disk of its own, so that filling it harms nobody; and what is kept on it. */
const DISK_BYTES = 24 << 20;
const EVENT_BYTES = 200 << 10;

let server;

suite('a data directory', () => {
  before(async () => {
    server = await Server.start();
  });

  after(() => server?.close());

  test('is one server\'s: a second one says in a line who has it, and the first goes on', async (t) => {
    const publisher = new Publisher(server.url, 'dir/news');
    await publisher.publish('before');
    const listener = await Stream.open(`${server.url}/topics/dir/news`);
    t.after(() => listener.close());
    const args = ['serve', '--no-demo', '--data-dir', server.dataDir];
    const listen = ['--listen', `127.0.0.1:${await freePort()}`, '--admin-listen', `127.0.0.1:${await freePort()}`];
    const second = new Run([...args, ...listen], path.dirname(server.dataDir));
    t.after(() => second.stop('SIGKILL'));
    assert.deepEqual(await within('its end', second.ended), { code: DATA_DIR_TAKEN, signal: null }, second.output);
    assert.equal(second.stdout, '');
    const [line, ...more] = second.stderr.trimEnd().split('\n');
    assert.deepEqual(more, [], 'one line');
    for (const word of [path.basename(server.dataDir), `${server.run.pid}`]) assert.ok(line.includes(word), `${word} in: ${line}`);

    await publisher.publish('after');
    await listener.take(1);
    assert.deepEqual(await storedData(server, 'dir/news'), ['before', 'after']);
    assert.equal((await fetch(`${server.adminUrl}/readyz`)).status, 200);
  });

  test('a server that was killed leaves no lock behind', async () => {
    await server.stop('SIGKILL');
    await server.startAgain();
  });

  test('git leaves it alone', async () => {
    assert.match(await readFile(path.join(server.dataDir, '.gitignore'), 'utf8'), /^\*$/m);
  });

  test('only its owner reads it', async () => {
    assert.equal((await stat(server.dataDir)).mode & 0o077, 0);
  });

  test('the start says where it is, what it keeps, and what was found', async () => {
    await publishBatch(server, Array.from({ length: 10 }, (_, i) => ({ topic: 'dir/found', data: `${i}` })));
    const kept = (await storedData(server, 'dir/news')).length + 10;
    await server.stop();
    await server.startAgain();
    const said = server.run.stdout;
    assert.ok(said.includes(path.basename(server.dataDir)), said);
    assert.match(said, /10 GiB/);
    assert.match(said, new RegExp(`\\b${kept} events\\b`));
  });

  test('a newer version\'s is refused in a line, by every verb, and left as it is', async (t) => {
    const newer = await Server.start();
    t.after(() => newer.close());
    await new Publisher(newer.url, 'dir/newer').publish('of the future');
    await newer.stop();
    const format = await raiseFormat(newer.dataDir);
    // What that version had not finished is not this one's to clear away.
    await appendFile(path.join(newer.dataDir, 'log', 'spare.tmp'), 'unfinished');
    const before = await digests(newer.dataDir);
    const serve = ['serve', '--no-demo', '--listen', `127.0.0.1:${newer.port}`, '--admin-listen', `127.0.0.1:${newer.adminPort}`];
    for (const verb of [serve, ['log', 'inspect'], ['log', 'verify'], ['log', 'export']]) {
      const { code, stdout, stderr } = await tidings([...verb, '--data-dir', newer.dataDir], path.dirname(newer.dataDir));
      assert.deepEqual([code, stdout], [DATA_DIR_NEWER, ''], `${verb.join(' ')}: ${stderr}`);
      const [line, ...more] = stderr.trimEnd().split('\n');
      assert.deepEqual(more, [], 'one line');
      for (const word of [path.basename(newer.dataDir), 'newer', `format ${format}`]) assert.ok(line.includes(word), `${word} in: ${line}`);
    }
    assert.deepEqual(await digests(newer.dataDir), before);
  });
});

suite('a full disk', async () => {
  let disk;
  let skip;

  before(async () => {
    disk = await mountSmall().catch((error) => (skip = `no disk can be mounted here: ${error.message}`));
    if (!skip) server = await Server.start(['--retain-bytes', '16MiB'], { dataDir: path.join(disk.path, 'data') });
  });

  after(async () => {
    if (skip) return;
    await server?.close();
    await disk.remove();
  });

  test('507 and nothing lost, and it goes on by itself when there is room', async (t) => {
    if (skip) return t.skip(skip);
    const ballast = path.join(disk.path, 'ballast');
    const publisher = new Publisher(server.url, 'full/news');
    await publisher.publish('before');
    const listener = await Stream.open(`${server.url}/topics/full/news?since=all`);
    t.after(() => listener.close());

    // A spare that could not be made gives back what it took: the disk is filled up before each publish.
    const fill = () => appendFile(ballast, Buffer.alloc(DISK_BYTES)).catch(({ code }) => assert.equal(code, 'ENOSPC'));
    const send = async (i) => {
      const headers = { 'content-type': 'text/plain', 'idempotency-key': `full ${i}` };
      const answer = await fetch(`${server.url}/topics/full/news`, { method: 'POST', headers, body: `${i} `.padEnd(EVENT_BYTES, '.') });
      return { status: answer.status, ...(await answer.json()) };
    };
    const acknowledged = ['before'];
    let refused;
    // What is allocated already is used up first.
    for (let i = 0; !refused; i += 1) {
      await fill();
      const answer = await send(i);
      if (answer.status === 200) acknowledged.push(`${i}`);
      else refused = { number: i, answer };
      assert.ok(i * EVENT_BYTES < DISK_BYTES, 'the disk never was full');
    }
    assert.deepEqual([refused.answer.status, refused.answer.code], [507, 'disk_full']);
    assert.equal((await send(refused.number)).status, 507, 'and again');
    const numbers = (data) => data.map((each) => each.split(' ')[0]);
    assert.deepEqual(numbers(await storedData(server, 'full/news')), acknowledged, 'reading goes on');

    await execute('rm', [ballast]);
    const late = await until('publishing to go on', async () => {
      const answer = await send(refused.number);
      return answer.status === 200 && answer;
    });
    assert.equal(late.duplicate, undefined, 'what was refused was not published');
    acknowledged.push(`${refused.number}`);
    assert.deepEqual(numbers((await listener.take(acknowledged.length)).map(({ data }) => data)), acknowledged);
    assert.equal(listener.control('gap'), undefined);
    await server.stop('SIGKILL');
    await server.startAgain();
    assert.deepEqual(numbers(await storedData(server, 'full/news')), acknowledged);
  });
});

/** What stands in each file below `directory`, but for the one that says which process has it open, or had. */
async function digests(directory) {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== 'lock').map((entry) => path.join(entry.parentPath, entry.name));
  return Promise.all(files.sort().map(async (file) => [file, createHash('sha256').update(await readFile(file)).digest('hex')]));
}

/** A file system of 24 MiB in memory; rejects where this user may not mount one. */
async function mountSmall() {
  const directory = await temporaryDirectory();
  const disk = path.join(directory.path, 'disk');
  await mkdir(disk);
  const asRoot = process.getuid() === 0 ? [] : ['sudo', '-n'];
  const run = (...words) => execute(...(([command, ...rest]) => [command, rest])([...asRoot, ...words]));
  const options = `size=${DISK_BYTES},uid=${process.getuid()},mode=0700`;
  try {
    await run('mount', '-t', 'tmpfs', '-o', options, 'tmpfs', disk);
  } catch (error) {
    await directory.remove();
    throw error;
  }
  return {
    path: disk,
    async remove() {
      await run('umount', disk);
      await directory.remove();
    },
  };
}
