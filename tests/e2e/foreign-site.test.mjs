// A page of another site can neither publish to a developer's Tidings nor read from it, whatever the page tries.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';

import { launch } from './lib/chromium.mjs';
import { startNginx } from './lib/nginx.mjs';
import { storedData } from './lib/pages.mjs';
import { Publisher } from './lib/publisher.mjs';
import { Server } from './lib/server.mjs';
import { serveHtml } from './lib/site.mjs';
import { until } from './lib/until.mjs';

const REFUSED = 'tidings_requests_refused_total{code="origin_refused"}';
const MISDIRECTED = 'tidings_requests_refused_total{code="misdirected"}';
const PROXIED = 'tidings_requests_refused_total{code="proxied_anonymous"}';
const SECRET = 'a secret of this machine';
const TOPIC = 'private/news';

let server;
let browser;
let site;

before(async () => {
  const rules = 'MAP evil.example 127.0.0.1, MAP *.evil.example 127.0.0.1';
  [server, browser, site] = await Promise.all([
    Server.start(),
    launch([`--host-resolver-rules=${rules}`]),
    serveHtml('<!doctype html><title>evil</title><iframe name="away"></iframe>'),
  ]);
  await new Publisher(server.url, TOPIC).publish(SECRET);
});

after(async () => {
  await browser?.close();
  await server?.close();
  await site?.close();
});

/** name, what the page tries, what it sees of it. Each runs in the page of the other site. */
const ATTEMPTS = [
  ['form', submitForm, 'submitted'],
  ['img', loadImage, 'nothing'],
  ['fetch no-cors', (url) => fetch(url, { method: 'POST', mode: 'no-cors', body: 'x' }).then((each) => each.type), 'opaque'],
  ['fetch cors', (url) => fetch(url, { method: 'POST', body: 'x' }).then(() => 'read', () => 'nothing'), 'nothing'],
  ['fetch with a preflight', (url) => fetch(url, { method: 'PUT', body: 'x' }).then(() => 'read', () => 'nothing'), 'nothing'],
  ['fetch to read', (url) => fetch(`${url}?last=1`).then(() => 'read', () => 'nothing'), 'nothing'],
  ['fetch no-cors to read', (url) => fetch(`${url}?last=1`, { mode: 'no-cors' }).then((each) => each.text()), ''],
  ['EventSource', openEventSource, 'closed'],
];

function submitForm(url) {
  const form = document.createElement('form');
  Object.assign(form, { method: 'post', action: url, enctype: 'text/plain', target: 'away' });
  form.innerHTML = '<input name="hello" value="from a form">';
  document.body.append(form);
  form.submit();
  return 'submitted';
}

function loadImage(url) {
  return new Promise((resolve) => {
    const image = new Image();
    image.onload = () => resolve('read');
    image.onerror = () => resolve('nothing');
    image.src = `${url}?last=1`;
  });
}

function openEventSource(url) {
  return new Promise((resolve) => {
    const source = new EventSource(`${url}?last=1`, { withCredentials: true });
    source.onopen = () => resolve('open');
    source.onerror = () => resolve(source.readyState === EventSource.CLOSED ? 'closed' : 'reconnecting');
  });
}

suite('a page of another site', () => {
  for (const [name, attempt, sees] of ATTEMPTS) {
    test(`${name}: 403 origin_refused`, async (t) => {
      const page = await browser.newPage();
      t.after(() => page.close());
      const statuses = await statusesOf(page, `:${server.port}/`);
      await page.goto(`http://evil.example:${site.port}/`);
      const before = await server.metric(REFUSED);

      const seen = await page.evaluate(attempt, `http://localhost:${server.port}/topics/${TOPIC}`);

      await until('the refusal to be counted', async () => (await server.metric(REFUSED)) > before);
      await until('the browser to see the status', () => statuses().length > 0);
      assert.deepEqual([...new Set(statuses())], [403], 'every request of the page was refused');
      assert.equal(seen, sees);
      assert.deepEqual(await storedData(server, TOPIC), [SECRET], 'nothing was published');
    });
  }
});

test('a name that points to this machine (DNS rebinding) is misdirected: 421', async (t) => {
  const page = await browser.newPage();
  t.after(() => page.close());
  const before = await server.metric(MISDIRECTED);
  const answer = await page.goto(`http://evil.example:${server.port}/topics/${TOPIC}?last=1`);
  assert.equal(answer.status(), 421);
  assert.equal((await answer.json()).code, 'misdirected');

  // Its own page would be of the same origin: no Origin check sees it, the Host check does.
  const published = await page.evaluate((url) => fetch(url, { method: 'POST', body: 'rebound' }).then((each) => each.status), `/topics/${TOPIC}`);
  assert.equal(published, 421);
  assert.ok((await server.metric(MISDIRECTED)) >= before + 2);
  assert.deepEqual(await storedData(server, TOPIC), [SECRET]);
});

test('through a proxy on this machine: 403, and it says how to make keys', async (t) => {
  const nginx = await startNginx(server.port);
  t.after(() => nginx.stop());
  const before = await server.metric(PROXIED);
  const answer = await fetch(`${nginx.url}/topics/${TOPIC}`, { method: 'POST', body: 'through nginx' });
  assert.equal(answer.status, 403);
  const problem = await answer.json();
  assert.equal(problem.code, 'proxied_anonymous');
  assert.match(problem.detail, /--auth-key-file|tidings token/);
  assert.equal(await server.metric(PROXIED), before + 1);
  assert.deepEqual(await storedData(server, TOPIC), [SECRET]);
});

/** A function that answers with the status of every answer so far to a request of `page` whose address has `part`: as
 *  Chromium's network stack got it, whether or not the page may see it. */
async function statusesOf(page, part) {
  const session = await page.context().newCDPSession(page);
  const urls = new Map();
  const answers = [];
  session.on('Network.requestWillBeSent', ({ requestId, request }) => urls.set(requestId, request.url));
  session.on('Network.responseReceivedExtraInfo', (answer) => answers.push(answer));
  await session.send('Network.enable');
  // Chromium gives no order between the two events, so they are joined only here.
  return () => answers.filter(({ requestId }) => urls.get(requestId)?.includes(part)).map(({ statusCode }) => statusCode);
}
