// The demo works out of the box, to the letter: the clock on /stream, and the page on 5500 in real Chromium.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { access, mkdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, before, suite, test } from 'node:test';

import { cdpEvents, launch } from './lib/chromium.mjs';
import { PageClient } from './lib/page-client.mjs';
import { Publisher } from './lib/publisher.mjs';
import { parseHead, rawStream } from './lib/raw.mjs';
import { Server } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const PAGE = 'http://127.0.0.1:5500/';
const PICTURE = fileURLToPath(new URL('../../docs/images/demo.png', import.meta.url));

/** Rows to wait for: enough to see the seconds pass. */
const ROWS = 4;

/** DESIGN.md 8, and what HTTP/1.1 itself adds; the date is checked apart. */
const HEAD = {
  'content-type': 'text/event-stream',
  'cache-control': 'no-cache',
  connection: 'keep-alive',
  'access-control-allow-origin': 'http://127.0.0.1:5500',
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': '*',
  'access-control-allow-methods': '*',
  'transfer-encoding': 'chunked',
};

/** JavaScript's date text, as `String(new Date())` prints it. */
const DATE = /^[A-Z][a-z]{2} [A-Z][a-z]{2} \d{2} \d{4} \d{2}:\d{2}:\d{2} GMT[+-]\d{4} \(.+\)$/;

/** What the page itself logs; the browser adds lines of its own. */
const [OPEN, MESSAGE, ERROR] = [/^open\b/, /^message\b/, /^error\b/];

let server;
let browser;

before(async () => {
  [server, browser] = await Promise.all([Server.startPlain(), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.close();
});

suite('GET /stream', () => {
  for (const origin of [undefined, 'http://127.0.0.1:5500', 'http://localhost:8080']) {
    test(`its head, to the letter, from ${origin ?? 'no origin'}`, async () => {
      const head = ['GET /stream HTTP/1.1', 'Host: localhost:3200', ...(origin ? [`Origin: ${origin}`] : [])];
      const { socket, text } = await rawStream(3200, head, 40);
      socket.destroy();
      const { status, headers } = parseHead(text);
      assert.equal(status, 200);
      const { date, ...rest } = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]));
      assert.equal(headers.length, Object.keys(HEAD).length + 1, 'no header twice');
      assert.deepEqual(rest, HEAD);
      assert.ok(Math.abs(Date.parse(date) - Date.now()) < 5000, date);
    });
  }

  test('its body: the date as JavaScript prints it, every second, and nothing else', async () => {
    const { socket, text } = await rawStream(3200, ['GET /stream HTTP/1.1', 'Host: localhost:3200'], 3 * 70);
    socket.destroy();
    const events = chunksOf(text).join('').split('\n\n').slice(0, 3);
    const seconds = events.map((event) => {
      const [, date] = event.match(/^data: ([^\n]+)$/) ?? assert.fail(`not a bare data line: ${event}`);
      assert.match(date, DATE);
      assert.equal(dateText(Date.parse(date)), date, 'the same text as Node prints on this machine');
      return Date.parse(date) / 1000;
    });
    assertEverySecond(seconds);
  });

  test('one clock however many listeners, none left when they go', async () => {
    const counts = async () => [await server.metric('tidings_clock_listeners'), await server.metric('tidings_clocks_running')];
    const become = (listeners, clocks) =>
      until(`${listeners} listeners, ${clocks} clocks`, async () => {
        const [l, c] = await counts();
        return l === listeners && c === clocks;
      });
    await become(0, 0);
    const head = ['GET /stream HTTP/1.1', 'Host: localhost:3200'];
    const streams = await Promise.all([1, 2, 3].map(() => rawStream(3200, head, 1)));
    await become(3, 1);
    streams.pop().socket.destroy();
    await become(2, 1);
    for (const { socket } of streams) socket.destroy();
    await become(0, 0);
  });
});

suite('the page on 5500', () => {
  let page;
  let log;
  let eventStream;

  before(async () => {
    page = await browser.newPage({ viewport: { width: 900, height: 480 } });
    log = [];
    page.on('console', (message) => log.push(message.text()));
    eventStream = await cdpEvents(page, 'Network', 'eventSourceMessageReceived');
    await page.goto(PAGE);
  });

  after(() => page?.close());

  test('gets open, then a message a second, as rows of type, data and time', async () => {
    await until(() => `${ROWS} rows`, async () => (await messageRows(page)).length >= ROWS);
    const rows = await messageRows(page);
    for (const [, data, time] of rows) {
      assert.match(data, DATE);
      assert.match(time, /^\d{2}:\d{2}:\d{2}\.\d{3}$/);
    }
    const seconds = rows.map(([, data]) => Date.parse(data) / 1000).sort((a, b) => a - b);
    assertEverySecond(seconds);
    assert.ok((await allRows(page)).some(([type]) => type === 'open'), 'open is a row too');
    assert.match(log[0], OPEN);
    assert.ok(count(log, MESSAGE) >= ROWS, `the console:\n${log.join('\n')}`);
  });

  test("shows what the browser's own EventStream panel shows", async () => {
    // The page puts the newest on top, the panel at the end.
    const shown = (await messageRows(page)).map(([type, data]) => [type, data]).reverse();
    await until("the panel's rows", () => eventStream.length >= shown.length);
    const panel = eventStream.map(({ eventName, data }) => [eventName, data]);
    assert.deepEqual(shown, panel.slice(0, shown.length));
  });

  test('comes back by itself when the server is stopped and started again', async () => {
    await page.evaluate(() => (globalThis.neverReloaded = true));
    const [opens, rows] = [count(log, OPEN), (await messageRows(page)).length];
    await server.stop();
    await until('an error in the console', () => count(log, ERROR) > 0);
    await server.startAgain();
    await until('open again', () => count(log, OPEN) > opens, 30_000);
    await until('messages again', async () => (await messageRows(page)).length > rows + 1);
    assert.equal(await page.evaluate(() => globalThis.neverReloaded), true, 'it is the same page');
  });

  test('its picture for the README', async () => {
    const wanted = process.env.UPDATE_PICTURES === '1' || !(await exists(PICTURE));
    if (!wanted) return;
    const fresh = await browser.newPage({ viewport: { width: 900, height: 360 } });
    await fresh.goto(PAGE);
    await until('rows for the picture', async () => (await messageRows(fresh)).length >= ROWS);
    await mkdir(path.dirname(PICTURE), { recursive: true });
    await fresh.screenshot({ path: PICTURE });
    await fresh.close();
  });
});

test('a type of its own reaches addEventListener', async () => {
  const topic = 'demo/types';
  const listener = await PageClient.open(browser, `http://localhost:3200/topics/${topic}`, ['tidings.open', 'message', 'headline']);
  try {
    await until('open', async () => (await listener.received()).length === 1);
    const publisher = new Publisher(server.url, topic);
    await publisher.publish('plain');
    await publisher.publish('of its own', 'headline');
    await until('both', async () => (await listener.received()).length >= 3);
    assert.deepEqual((await listener.received()).slice(1), publisher.published);
  } finally {
    await listener.close();
  }
});

/**
 * One more with every date, give or take one: a clock that ticks close to a full second shows the same one twice, or leaves
 * one out, when this machine is late.
 */
function assertEverySecond(seconds) {
  for (const [i, second] of seconds.entries()) {
    assert.ok(Math.abs(second - seconds[0] - i) <= 1, `the seconds ${seconds.map((each) => each - seconds[0])}`);
  }
}

/** `String(new Date(ms))` in this machine's time zone and in English, whatever the language of whoever runs the test. */
function dateText(ms) {
  const script = 'console.log(String(new Date(Number(process.argv[1]))))';
  const env = { ...process.env, LC_ALL: 'C' };
  return execFileSync(process.execPath, ['-e', script, String(ms)], { env, encoding: 'utf8' }).trim();
}

/** `[type, data, time]` of each row of the page's table, in the order shown. */
function allRows(page) {
  return page.$$eval('tbody tr', (rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent)));
}

async function messageRows(page) {
  return (await allRows(page)).filter(([type]) => type === 'message');
}

/** The data of the whole chunks behind the head in `text` (ASCII, so that characters are bytes). */
function chunksOf(text) {
  let rest = text.slice(text.indexOf('\r\n\r\n') + 4);
  const chunks = [];
  for (let end = rest.indexOf('\r\n'); end > 0; end = rest.indexOf('\r\n')) {
    const size = Number.parseInt(rest.slice(0, end), 16);
    chunks.push(rest.slice(end + 2, end + 2 + size));
    rest = rest.slice(end + 2 + size + 2);
  }
  return chunks;
}

function count(lines, pattern) {
  return lines.filter((line) => pattern.test(line)).length;
}

function exists(file) {
  return access(file).then(() => true, () => false);
}
