// The page a person gets: `/`, and `text/html` of a topic. In real Chromium, under its strict policy.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { suite, test } from 'node:test';

import { storedData, topicPath } from './lib/pages.mjs';
import { Publisher } from './lib/publisher.mjs';
import { serveHtml } from './lib/site.mjs';
import { serverAndBrowser } from './lib/stage.mjs';
import { until, within } from './lib/until.mjs';

/** A picture of one red pixel. */
const PIXEL = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC', 'base64');

const stage = serverAndBrowser();

/** The page at `target`, listening, with every complaint of the browser kept in `complaints`. */
async function open(t, target) {
  const page = await stage.browser.newPage();
  t.after(() => page.close());
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`${error}`));
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener('securitypolicyviolation', (event) => globalThis.violations.push(event.violatedDirective));
  });
  const answer = await page.goto(stage.server.url.replace('127.0.0.1', 'localhost') + target);
  assert.match(answer.headers()['content-type'], /^text\/html/);
  assert.match(answer.headers()['content-security-policy'], /default-src 'none'/);
  await rowOf(page, 'tidings.open');
  /** Nothing of the page itself was stopped by its policy, or went wrong. */
  const assertQuiet = async () => {
    assert.deepEqual(await page.evaluate(() => globalThis.violations), []);
    assert.deepEqual(complaints, []);
  };
  return { page, complaints, assertQuiet };
}

/** `[type, data, id, time]` of each row, newest first. */
function rows(page) {
  return page.$$eval('tbody tr', (all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
}

/** The newest row of this type (and with this data), once it is there. */
function rowOf(page, type, data) {
  return until(
    async () => `a row of ${type} ${data ?? ''}`,
    async () => (await rows(page)).find((row) => row[0] === type && (data === undefined || row[1] === data)),
  );
}

function publish(topic, body, contentType) {
  return fetch(stage.server.url + topicPath(topic), { method: 'POST', headers: { 'content-type': contentType }, body });
}

suite('the page', () => {
  test('shows the events of ?topic= and of a custom type: type, data, id, time', async (t) => {
    const { page, assertQuiet } = await open(t, '/?topic=page/table&type=headline');
    const publisher = new Publisher(stage.server.url, 'page/table');
    await publisher.publish('plain');
    await publisher.publish('<img src=x onerror=alert(1)>\nsecond line', 'headline');
    await rowOf(page, 'headline');
    const shown = (await rows(page)).filter(([type]) => ['message', 'headline'].includes(type)).reverse();
    assert.deepEqual(shown.map(([type, data, id]) => ({ id, type, data })), publisher.published, 'markup is text');
    for (const [, , , time] of shown) assert.match(time, /^\d\d:\d\d:\d\d\.\d{3}$/);
    assert.ok((await rows(page)).some(([type]) => type === 'open'));
    await assertQuiet();
  });

  test('its form publishes, also a type that it did not listen to yet', async (t) => {
    const { page, complaints, assertQuiet } = await open(t, '/?topic=page/form');
    await page.fill('#data', 'from the form');
    await page.click('#publish button');
    const [, , id] = await rowOf(page, 'message', 'from the form');
    await until('the receipt', async () => (await page.textContent('#status')) === `published as ${id}`);
    await page.fill('#type', 'späße');
    await page.fill('#data', 'typed');
    await page.press('#data', 'Enter');
    await rowOf(page, 'späße', 'typed');
    assert.deepEqual(await storedData(stage.server, 'page/form'), ['from the form', 'typed']);
    await assertQuiet();

    // What is refused is said in words, and by the browser in its console.
    await page.fill('#type', 'error');
    await page.fill('#data', 'refused');
    await page.click('#publish button');
    await until('the refusal', async () => /open and error/.test(await page.textContent('#status')));
    assert.deepEqual(await storedData(stage.server, 'page/form'), ['from the form', 'typed']);
    await until('the console', () => complaints.length > 0);
    assert.match(complaints.splice(0).join('\n'), /^Failed to load resource: .* 400/);
    await assertQuiet();
  });

  test('its form listens to another topic and type', async (t) => {
    const { page, assertQuiet } = await open(t, '/');
    assert.equal(await page.inputValue('#topic'), 'demo');
    await page.fill('#topic', 'page/other');
    await page.fill('#type', 'note');
    await page.click('#listen button');
    await page.waitForURL('**/?topic=page%2Fother&type=note');
    await rowOf(page, 'tidings.open');
    await new Publisher(stage.server.url, 'page/other').publish('hello', 'note');
    await rowOf(page, 'note', 'hello');
    await assertQuiet();
  });

  test('shows a picture as a picture, other bytes as bytes', async (t) => {
    const { page, assertQuiet } = await open(t, '/?topic=page/binary');
    await publish('page/binary', PIXEL, 'image/png');
    await publish('page/binary', new Uint8Array([0, 1, 254, 255]), 'application/octet-stream');
    await rowOf(page, 'message', 'application/octet-stream, 4 bytes: 00 01 fe ff');
    const size = await page.$eval('tbody img', async (image) => {
      await image.decode();
      return [image.naturalWidth, image.naturalHeight];
    });
    assert.deepEqual(size, [1, 1]);
    await assertQuiet();
  });

  test('the curl line that it shows does what it says', async (t) => {
    const topic = "page/it's 100% (or ~) é";
    const { page, assertQuiet } = await open(t, `/?topic=${encodeURIComponent(topic)}`);
    assert.equal(await run(await page.textContent('#curl')), 0);
    await rowOf(page, 'message', 'hello');
    assert.deepEqual(await storedData(stage.server, topic), ['hello']);
    await assertQuiet();
  });

  test('its policy is in force: a foreign script does not run, and the violation is seen', async (t) => {
    const { page } = await open(t, '/');
    await page.evaluate(() => {
      const script = document.createElement('script');
      script.textContent = 'globalThis.foreign = true';
      document.body.append(script);
    });
    await until('the violation', () => page.evaluate(() => globalThis.violations.length > 0));
    assert.equal(await page.evaluate(() => globalThis.foreign), undefined);
    assert.match((await page.evaluate(() => globalThis.violations))[0], /^script-src/);
  });
});

suite('text/html of a subscription', () => {
  test('a topic is shown at its own address', async (t) => {
    const publisher = new Publisher(stage.server.url, 'page/own/ü');
    for (const data of ['one', 'two', 'three']) await publisher.publish(data);
    const { page, assertQuiet } = await open(t, '/topics/page/own/%C3%BC?last=2');
    await rowOf(page, 'message', 'three');
    const data = (await rows(page)).filter(([type]) => type === 'message').map((row) => row[1]);
    assert.deepEqual(data, ['three', 'two'], 'the address is what is asked for');
    assert.equal(await page.inputValue('#topic'), 'page/own/ü');
    await assertQuiet();
  });

  test('several topics and patterns: each row says its topic', async (t) => {
    const { page, assertQuiet } = await open(t, '/events?topic=page/a&topic=page/p/*');
    await new Publisher(stage.server.url, 'page/p/one').publish('hello');
    await publish('page/a', PIXEL, 'image/png');
    await until('the picture', () => page.$('tbody img'));
    const cells = await page.$$eval('tr.event', (all) => all.map((row) => row.cells[1].textContent));
    assert.deepEqual(cells, ['page/a', 'page/p/onehello']);
    await assertQuiet();
  });
});

test('a page of another origin of this machine may publish and listen, with credentials and its own headers', async (t) => {
  const site = await serveHtml('<!doctype html><title>app</title>');
  t.after(() => site.close());
  const page = await stage.browser.newPage();
  t.after(() => page.close());
  await page.goto(site.url);
  const seen = await within('the page', page.evaluate(usePushServer, `http://localhost:${stage.server.port}/topics/page/app`));
  assert.deepEqual(seen, { status: 200, again: { duplicate: true }, event: 'note: {"a":1}', refused: 'invalid_topic' });
});

/** Runs in the page: what an application does. */
async function usePushServer(url) {
  const source = new EventSource(url, { withCredentials: true });
  await new Promise((resolve, reject) => {
    source.onopen = resolve;
    source.onerror = () => reject(new Error('the stream did not open'));
  });
  const event = new Promise((resolve) => source.addEventListener('note', ({ type, data }) => resolve(`${type}: ${data}`)));
  const headers = { 'content-type': 'application/json', 'event-type': 'note', 'idempotency-key': 'a key' };
  const post = (to) => fetch(to, { method: 'POST', credentials: 'include', headers, body: '{"a":1}' });
  const { status } = await post(url);
  const { duplicate } = await (await post(url)).json();
  const { code } = await (await post(`${url}//x`)).json();
  const seen = { status, again: { duplicate }, event: await event, refused: code };
  source.close();
  return seen;
}

/** Runs a line as a person who copied it; answers with its exit code. */
function run(line) {
  const child = spawn('sh', ['-c', line], { stdio: 'ignore' });
  return new Promise((resolve) => child.once('close', resolve));
}
