// The first minutes of a newcomer: what the start says is true, the README's commands work, and mistakes are told in a line.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { access, readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';

import { Run } from './lib/run.mjs';
import { Server } from './lib/server.mjs';
import { temporaryDirectory } from './lib/temporary.mjs';
import { until, within } from './lib/until.mjs';

const LISTEN = 'curl -N localhost:3200/topics/news';
const PUBLISH = "curl -d 'hello' localhost:3200/topics/news";

/** The exit codes of `tidings`, from its one table. */
const EXIT = { done: 0, usage: 2, addressInUse: 4 };

let directory;

before(async () => {
  directory = await temporaryDirectory();
});

after(() => directory?.remove());

suite('without a configuration', () => {
  let server;

  before(async () => {
    server = await Server.startPlain();
  });

  after(() => server?.close());

  test('the start says every address, the page and the curl lines', async () => {
    const said = server.run.stdout;
    for (const address of ['127.0.0.1:3200', '127.0.0.1:3201', 'http://127.0.0.1:5500', 'http://localhost:3200/']) {
      assert.ok(said.includes(address), `${address} in:\n${said}`);
    }
    await until(() => `IPv6 served, or its absence said:\n${server.run.stdout}`, () => /\[::1\]:3200|IPv6/.test(server.run.stdout));
    for (const command of [LISTEN, PUBLISH]) assert.ok(said.includes(command), `${command} in:\n${said}`);
    // Where events are kept, how much of them, and that there are none yet; and the directory is what git leaves alone.
    assert.match(said, /^data .*tidings-data.*10 GiB/m);
    assert.match(said, /^log +0 events/m);
    await access(path.join(server.dataDir, '.gitignore'));
  });

  test('the two commands of the README: one sees what the other publishes', async () => {
    for (const readme of ['README.md', 'README.zh-CN.md']) {
      const text = await readFile(new URL(`../../${readme}`, import.meta.url), 'utf8');
      for (const command of [LISTEN, PUBLISH]) assert.ok(text.includes(command), `${readme} shows ${command}`);
    }
    const listener = shell(LISTEN);
    try {
      await until(() => `the stream to open; so far: ${listener.output}`, () => listener.output.includes('event: tidings.open'));
      const publisher = shell(PUBLISH);
      assert.equal(await publisher.ended, 0);
      const { id, topic } = JSON.parse(publisher.output);
      assert.equal(topic, 'news');
      await until(() => `hello; so far: ${listener.output}`, () => listener.output.includes(`id: ${id}\ndata: hello\n\n`));
    } finally {
      listener.stop();
    }
  });

  test('the page is there', async () => {
    const answer = await fetch('http://127.0.0.1:5500/');
    assert.equal(answer.status, 200);
    assert.match(answer.headers.get('content-type'), /^text\/html/);
  });

  test('a second one on the same port says so in one line', async (t) => {
    const second = new Run(['serve', '--listen', '127.0.0.1:3200', '--admin-listen', '127.0.0.1:0', '--no-demo'], directory.path);
    t.after(() => second.stop('SIGKILL'));
    assert.deepEqual(await within('its end', second.ended), { code: EXIT.addressInUse, signal: null });
    assertOneLine(second.output, /127\.0\.0\.1:3200.*in use/);
  });

  test('Ctrl-C ends it cleanly, with a listener still there', async () => {
    const listener = shell(LISTEN);
    await until('the stream to open', () => listener.output.includes('event: tidings.open'));
    assert.deepEqual(await server.stop('SIGINT'), { code: EXIT.done, signal: null });
    await within('the listener to end with it', listener.ended);
    assert.doesNotMatch(server.run.output, /panicked/);
  });
});

suite('mistakes on the command line', () => {
  const mistakes = [
    ['an unknown flag', ['serve', '--prot', '80'], EXIT.usage, /--prot/],
    ['an unknown verb', ['sevre'], EXIT.usage, /sevre/],
    ['a bad address', ['serve', '--listen', 'localhost:http'], EXIT.usage, /localhost:http/],
    ['another address than loopback, without keys', ['serve', '--listen', '0.0.0.0:0'], EXIT.usage, /0\.0\.0\.0:0.*key|key.*0\.0\.0\.0:0/s],
  ];
  for (const [name, args, code, says] of mistakes) {
    test(name, async (t) => {
      const run = new Run(args, directory.path);
      t.after(() => run.stop('SIGKILL'));
      assert.deepEqual(await within('its end', run.ended), { code, signal: null }, run.output);
      assert.match(run.output, says);
      assert.doesNotMatch(run.output, /panicked/);
    });
  }
});

function assertOneLine(output, says) {
  const lines = output.trim().split('\n');
  assert.equal(lines.length, 1, output);
  assert.match(lines[0], says);
}

/** `command` as a newcomer types it. */
function shell(command) {
  const child = spawn('sh', ['-c', `exec ${command}`], { stdio: ['ignore', 'pipe', 'ignore'] });
  const self = { output: '', stop: () => child.kill() };
  child.stdout.setEncoding('utf8').on('data', (text) => (self.output += text));
  self.ended = new Promise((resolve) => child.once('close', resolve));
  return self;
}
