// Every form in which events go in and come out over plain HTTP.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';

import { page, stored, storedData, topicPath } from './lib/pages.mjs';
import { publishBatch, Publisher } from './lib/publisher.mjs';
import { Server } from './lib/server.mjs';
import { JsonLines, Stream } from './lib/stream.mjs';
import { until, within } from './lib/until.mjs';

/** RFC 3339, UTC, milliseconds: the one form of a time. */
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let server;

before(async () => {
  server = await Server.start(['--allowed-origin', 'https://app.example']);
});

after(() => server?.close());

/** Publishes `data` under `topic`, oldest first; answers with the ids. */
async function publishAll(topic, data) {
  const publisher = new Publisher(server.url, topic);
  for (const each of data) await publisher.publish(each);
  return publisher.published.map((event) => event.id);
}

/** One request; answers with the response and its whole body. */
async function request(method, target, { headers = {}, body } = {}) {
  const response = await fetch(server.url + target, { method, headers, body });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Sends lines to `POST /events`; answers with the status and the parsed answer to each line. */
const batch = (lines, query) => publishBatch(server, lines, query);

/** Runs `use` with a stream of `target`, and closes it. */
async function withStream(target, use, open = Stream) {
  const stream = await open.open(server.url + target);
  try {
    assert.equal(stream.status, 200);
    return await use(stream);
  } finally {
    stream.close();
  }
}

/** The data of the first `count` events of `target`, oldest first. */
function dataOf(target, count) {
  return withStream(target, async (stream) => (await stream.take(count)).map((event) => event.data));
}

suite('the stream', () => {
  test('its head and its first words', async () => {
    await withStream('/topics/stream/head', async (stream) => {
      assert.equal(stream.headers['content-type'], 'text/event-stream');
      assert.equal(stream.headers['cache-control'], 'no-store, no-transform');
      assert.equal(stream.headers['x-accel-buffering'], 'no');
      assert.equal(stream.headers.vary, 'origin');
      assert.ok(Math.abs(Date.parse(stream.headers.date) - Date.now()) < 60_000);
      await until('the opening', () => stream.control('open'));
      const [{ retry }, open] = stream.blocks;
      assert.ok(retry >= 1000 && retry <= 3000, `retry: ${retry}`);
      assert.equal(open, stream.control('open'));
      assert.match(open.id, /^[a-z0-9]{8}\.\d+$/);
      assert.ok(open.data.length > 0, 'an id never comes without data');
    });
  });

  test('a newline of any kind inside data is a line break; a page keeps it as it was', async () => {
    const [id] = await publishAll('stream/lines', ['a\r\nb\rc\n\nd\n']);
    await withStream('/topics/stream/lines?since=all', async (stream) => {
      const [event] = await stream.take(1);
      assert.deepEqual(event, { id, data: 'a\nb\nc\n\nd\n' });
    });
    assert.deepEqual(await storedData(server, 'stream/lines'), ['a\r\nb\rc\n\nd\n']);
  });

  test('binary data comes as a data: URL with the essence of its type', async () => {
    const headers = { 'content-type': 'Image/PNG; x=y' };
    await request('POST', '/topics/stream/binary', { headers, body: new Uint8Array([0, 13, 10, 255]) });
    assert.deepEqual(await dataOf('/topics/stream/binary?last=1', 1), ['data:image/png;base64,AA0K/w==']);
  });

  test('what curl -d sends is taken literally', async () => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    await request('POST', '/topics/stream/curl', { headers, body: 'a=1+1&b=%20' });
    assert.deepEqual(await dataOf('/topics/stream/curl?last=1', 1), ['a=1+1&b=%20']);
  });
});

suite('NDJSON', () => {
  test('the same events as JSON lines, and control lines', async () => {
    const topic = 'ndjson/lines';
    const [first] = await publishAll(topic, ['one\ntwo']);
    await withStream(`/topics/${topic}?since=all`, async (stream) => {
      assert.equal(stream.headers['content-type'], 'application/x-ndjson');
      await new Publisher(server.url, topic).publish('three', 'note');
      await request('POST', topicPath(topic), { headers: { 'content-type': 'application/octet-stream' }, body: new Uint8Array([255]) });
      const events = await stream.take(3);
      const [open] = stream.lines;
      assert.equal(open.control, 'tidings.open');
      assert.match(open.id, /^[a-z0-9]{8}\.\d+$/);
      for (const event of events) {
        assert.match(event.time, TIME);
        assert.equal(event.topic, topic);
      }
      assert.deepEqual([events[0].id, events[0].type, events[0].data], [first, 'message', 'one\ntwo']);
      assert.deepEqual([events[1].type, events[1].content_type, events[1].data], ['note', 'text/plain', 'three']);
      assert.deepEqual([events[2].content_type, events[2].data, events[2].data_base64], ['application/octet-stream', undefined, '/w==']);
    }, JsonLines);
  });

  test('what was exported is imported: id and time are ignored', async () => {
    await publishAll('ndjson/export', ['one', 'two']);
    await batch([{ topics: ['ndjson/export', 'ndjson/also'], data_base64: '/w==', content_type: 'image/png', type: 'note' }]);
    const exported = await stored(server, 'ndjson/export');
    const { status } = await batch(exported);
    assert.equal(status, 200);
    const twice = await stored(server, 'ndjson/export');
    const content = ({ id, time, ...rest }) => rest;
    assert.deepEqual(twice.slice(3).map(content), exported.map(content));
    assert.deepEqual(exported.filter((event) => twice.slice(3).some((copy) => copy.id === event.id)), [], 'with ids of their own');
  });
});

suite('pages', () => {
  /** Streams and waiting polls, as the server counts them. */
  const subscribers = (count) => async () => (await server.metric('tidings_subscribers')) === count;

  before(() => until('the streams of earlier tests to be gone', subscribers(0)));

  test('limit, next and more lead through a topic without a seam', async () => {
    const topic = 'pages/five';
    const ids = await publishAll(topic, ['1', '2', '3', '4', '5']);
    let target = `/topics/${topic}?limit=2`;
    const seen = [];
    for (const [expected, more] of [[2, true], [2, true], [1, false], [0, false]]) {
      const got = await page(server, target);
      assert.deepEqual([got.events.length, got.more], [expected, more], target);
      assert.equal(got.gap, undefined);
      seen.push(...got.events);
      target = `/topics/${topic}?limit=2&since=${encodeURIComponent(got.next)}`;
    }
    assert.deepEqual(seen.map((event) => event.id), ids);
    // `next` goes on also where there was nothing yet.
    const [sixth] = await publishAll(topic, ['6']);
    assert.deepEqual((await page(server, target)).events.map((event) => event.id), [sixth]);
  });

  test('a long poll is answered by a publish', async () => {
    const topic = 'pages/poll';
    const [first] = await publishAll(topic, ['first']);
    const waiting = page(server, `/topics/${topic}?wait=50s&since=${encodeURIComponent(first)}`);
    await until('the poll to wait', subscribers(1));
    // An event of another topic is none of its.
    await publishAll('pages/other', ['x']);
    const [second] = await publishAll(topic, ['second']);
    const { events, next, more } = await within('the answer', waiting);
    assert.deepEqual(events.map((event) => event.id), [second]);
    assert.deepEqual([typeof next, more], ['string', false]);
    await until('the poll to be gone', subscribers(0));
  });

  test('a long poll that nothing answers ends with its time, and says how far it looked', async () => {
    const topic = 'pages/quiet';
    const [first] = await publishAll(topic, ['first']);
    const begun = performance.now();
    const { events, next } = await page(server, `/topics/${topic}?wait=300ms&since=${encodeURIComponent(first)}`);
    assert.ok(performance.now() - begun >= 290, 'it has waited');
    assert.deepEqual(events, []);
    const [second] = await publishAll(topic, ['second']);
    const further = await page(server, `/topics/${topic}?since=${encodeURIComponent(next)}`);
    assert.deepEqual(further.events.map((event) => event.id), [second]);
  });

  test('the client who leaves a long poll leaves nothing behind', async () => {
    const gone = new AbortController();
    const poll = fetch(`${server.url}/topics/pages/gone?wait=50s`, { headers: { accept: 'application/json' }, signal: gone.signal });
    await until('the poll to wait', subscribers(1));
    gone.abort();
    await assert.rejects(poll, { name: 'AbortError' });
    await until('the poll to be gone', subscribers(0));
  });
});

suite('several topics', () => {
  test('topics and patterns on one stream, in an envelope; an event that several match comes once', async () => {
    const target = '/events?topic=many/a&topic=many/b/*&topic=many/c/**';
    await withStream(target, async (stream) => {
      const { answers } = await batch([
        { topic: 'many/a', data: '1' },
        { topic: 'many/b/x', data: '2', type: 'note' },
        { topic: 'many/b/x/y', data: 'a star is one segment' },
        { topic: 'many/b', data: 'and not none' },
        { topic: 'many/c', data: '3' },
        { topic: 'many/c/x/y', data: '4' },
        { topics: ['many/elsewhere', 'many/a', 'many/b/z', 'many/c'], data: '5' },
        { topic: 'many/A', data: 'names are compared as bytes' },
        { topic: 'many/a', data: 'last' },
      ]);
      const blocks = await stream.take(6);
      const events = blocks.map((block) => JSON.parse(block.data));
      assert.deepEqual(events.map((event) => event.data), ['1', '2', '3', '4', '5', 'last']);
      assert.deepEqual(blocks.map((block) => block.id), [0, 1, 4, 5, 6, 8].map((i) => answers[i].id));
      assert.deepEqual(blocks.map((block) => block.event), [undefined, 'note', undefined, undefined, undefined, undefined]);
      assert.deepEqual([events[1].type, events[1].topic, events[1].id], ['note', 'many/b/x', blocks[1].id]);
      assert.deepEqual(events[4].topics, ['many/elsewhere', 'many/a', 'many/b/z', 'many/c']);
      for (const event of events) assert.match(event.time, TIME);
    });
  });

  test('the envelope may be asked for, or not', async () => {
    await publishAll('many/envelope', ['x']);
    const [wrapped] = await dataOf('/topics/many/envelope?since=all&envelope=json', 1);
    assert.deepEqual([JSON.parse(wrapped).data, JSON.parse(wrapped).topic], ['x', 'many/envelope']);
    assert.deepEqual(await dataOf('/events?topic=many/*&topic=many/envelope&last=1&envelope=none', 1), ['x']);
    assert.deepEqual(await dataOf('/events?topic=many/envelope&last=1', 1), ['x'], 'one exact topic has none, wherever it stands');
  });

  test('types filter, control events pass', async () => {
    const publisher = new Publisher(server.url, 'many/types');
    for (const type of ['a', 'message', 'b', 'c', 'a']) await publisher.publish(`of ${type}`, type);
    await withStream('/topics/many/types?since=all&type=a&type=message', async (stream) => {
      const events = await stream.take(3);
      assert.deepEqual(events.map((event) => event.data), ['of a', 'of message', 'of a']);
      assert.ok(stream.control('open'));
      // What comes live is filtered too: the next that arrives is not the one published first.
      await publisher.publish('live b', 'b');
      await publisher.publish('live a', 'a');
      assert.equal((await stream.take(4))[3].data, 'live a');
    });
  });
});

suite('where to start', () => {
  test('last=N: the newest N of all topics together, in order, then on', async () => {
    await batch([1, 2, 3, 4, 5, 6].map((n) => ({ topic: n % 3 === 0 ? 'start/a' : 'start/b', data: `${n}` })));
    await withStream('/events?topic=start/a&topic=start/b&last=3&envelope=none', async (stream) => {
      await stream.take(3);
      await publishAll('start/a', ['live']);
      assert.deepEqual((await stream.take(4)).map((event) => event.data), ['4', '5', '6', 'live']);
    });
    await withStream('/topics/start/a?last=0', async (stream) => {
      await until('the opening', () => stream.control('open'));
      await publishAll('start/a', ['only this']);
      assert.deepEqual((await stream.take(1)).map((event) => event.data), ['only this']);
    });
  });

  test('last_each=1: the newest of each exact topic', async () => {
    await batch(['each/a 1', 'each/b 1', 'each/a 2', 'each/c 1', 'each/b 2'].map((text) => ({ topic: text.split(' ')[0], data: text })));
    const target = '/events?topic=each/a&topic=each/b&topic=each/never&last_each=1&envelope=none';
    await withStream(target, async (stream) => {
      await stream.take(2);
      await publishAll('each/a', ['live']);
      assert.deepEqual((await stream.take(3)).map((event) => event.data), ['each/a 2', 'each/b 2', 'live']);
    });
  });

  test('since: all, an id, a time ago, a time', async () => {
    const topic = 'start/since';
    const [first] = await publishAll(topic, ['one']);
    const [{ time }] = await stored(server, topic);
    // The next event must be of a later millisecond, or a time could not tell the two apart.
    await until('the clock to go on', () => Date.now() > Date.parse(time));
    await publishAll(topic, ['two', 'three']);
    const later = (await stored(server, topic))[1].time;
    assert.deepEqual(await dataOf(`/topics/${topic}?since=all`, 3), ['one', 'two', 'three']);
    assert.deepEqual(await dataOf(`/topics/${topic}?since=10m`, 3), ['one', 'two', 'three']);
    assert.deepEqual(await dataOf(`/topics/${topic}?since=${first}`, 2), ['two', 'three']);
    assert.deepEqual(await dataOf(`/topics/${topic}?since=${later}`, 2), ['two', 'three']);
    assert.deepEqual(await dataOf(`/topics/${topic}?since=${time}`, 3), ['one', 'two', 'three']);
  });

  test('the id wins over what the URL says: header, then last_event_id, then since', async () => {
    const topic = 'start/order';
    const [first, second] = await publishAll(topic, ['one', 'two', 'three']);
    const check = async (target, headers, expected) => {
      const { events } = await page(server, `/topics/${topic}${target}`, headers);
      assert.deepEqual(events.map((event) => event.data), expected, target);
    };
    await check(`?since=all&last_event_id=${first}`, { 'last-event-id': second }, ['three']);
    await check(`?since=all&last_event_id=${second}`, {}, ['three']);
    await check(`?last=1&lastEventId=${first}`, {}, ['two', 'three']);
    await check('?last=1', {}, ['three']);
  });
});

suite('idempotency keys', () => {
  const post = (topic, key, body, headers = {}) => request('POST', `/topics/${topic}`, { headers: { 'idempotency-key': key, ...headers }, body });

  test('the same key and body get the first answer again; another body is 409', async () => {
    const first = await post('keys/one', 'k1', 'x');
    const again = await post('keys/one', 'k1', 'x');
    assert.deepEqual([first.status, again.status], [200, 200]);
    assert.deepEqual(JSON.parse(again.text), { ...JSON.parse(first.text), duplicate: true });
    for (const other of [await post('keys/one', 'k1', 'y'), await post('keys/one', 'k1', 'x', { 'event-type': 'note' })]) {
      assert.equal(other.status, 409, other.text);
      assert.equal(JSON.parse(other.text).code, 'idempotency_mismatch');
    }
    // A key is scoped to its topic.
    const elsewhere = JSON.parse((await post('keys/two', 'k1', 'y')).text);
    assert.equal(elsewhere.duplicate, undefined);
    assert.deepEqual(await storedData(server, 'keys/one'), ['x']);
  });

  test('of many at once with the same key one is published, and all get its id', async () => {
    for (let round = 0; round < 10; round += 1) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => post('keys/race', `race ${round}`, `${round}`)));
      const parsed = answers.map(({ status, text }) => [status, JSON.parse(text)]);
      assert.deepEqual(parsed.filter(([, { duplicate }]) => !duplicate).length, 1);
      assert.deepEqual([...new Set(parsed.map(([status, { id }]) => `${status} ${id}`))], [`200 ${parsed[0][1].id}`]);
    }
    assert.equal((await stored(server, 'keys/race')).length, 10);
  });

  test('in a batch too, across both ways in', async () => {
    const single = JSON.parse((await post('keys/batch', 'k', 'x')).text);
    // As fetch sends a string; another content type would be another event.
    const line = (data, idempotency_key) => ({ topic: 'keys/batch', content_type: 'text/plain', data, idempotency_key });
    const { status, answers } = await batch([line('x', 'k'), line('new', 'l'), line('new', 'l'), line('other', 'k')]);
    assert.equal(status, 207);
    assert.deepEqual(answers[0], { ...single, duplicate: true });
    assert.deepEqual([answers[1].duplicate, answers[2]], [undefined, { ...answers[1], duplicate: true }]);
    assert.deepEqual([answers[3].line, answers[3].error.code], [4, 'idempotency_mismatch']);
    assert.deepEqual(await storedData(server, 'keys/batch'), ['x', 'new']);
  });
});

suite('batches', () => {
  const good = (topic, data) => ({ topic, data });

  test('200: a line each, in order, committed together', async () => {
    const { status, answers } = await batch([good('batch/a', '1'), '', good('batch/b', '2'), good('batch/a', '3')]);
    assert.equal(status, 200);
    assert.deepEqual(answers.map((answer) => answer.topic), ['batch/a', 'batch/b', 'batch/a']);
    assert.deepEqual((await stored(server, 'batch/a')).map((event) => event.id), [answers[0].id, answers[2].id]);
  });

  test('422: not one good line', async () => {
    const { status, answers } = await batch(['{', { topic: 'batch/none' }]);
    assert.equal(status, 422);
    assert.deepEqual(answers.map(({ line, error }) => [line, error.code]), [[1, 'invalid_line'], [2, 'invalid_line']]);
  });

  test('atomic=1: all or none', async () => {
    const lines = [good('batch/atomic', '1'), good('batch//atomic', '2'), good('batch/atomic', '3')];
    const refused = await batch(lines, '?atomic=1');
    assert.equal(refused.status, 422);
    assert.deepEqual(refused.answers.map(({ error }) => error.code), ['not_committed', 'invalid_topic', 'not_committed']);
    assert.deepEqual(await storedData(server, 'batch/atomic'), []);
    assert.equal((await batch([lines[0], lines[2]], '?atomic=1')).status, 200);
    assert.deepEqual(await storedData(server, 'batch/atomic'), ['1', '3']);
  });
});

suite('methods and origins', () => {
  for (const accept of ['text/event-stream', 'application/x-ndjson', 'application/json', 'text/html']) {
    test(`HEAD has the head of GET and nothing more: ${accept}`, async () => {
      const headers = { accept };
      const target = '/topics/head/x';
      const head = await request('HEAD', target, { headers });
      const ask = new AbortController();
      const get = await fetch(server.url + target, { headers, signal: ask.signal });
      ask.abort();
      // How long a body will be is known of some only; and Node's fetch asks to close the connection of a HEAD.
      const own = ['date', 'content-length', 'transfer-encoding', 'connection'];
      const told = (response) => [...response.headers].filter(([name]) => !own.includes(name));
      assert.deepEqual([head.status, head.text], [200, '']);
      assert.deepEqual(told(head), told(get));
      assert.equal(head.headers.get('content-type').split(';')[0], accept);
      await until('no stream is left', async () => (await server.metric('tidings_subscribers')) === 0);
    });
  }

  test('405 says what is allowed', async () => {
    for (const [method, target, allowed] of [
      ['PUT', '/topics/x', 'GET, HEAD, POST, DELETE, OPTIONS'],
      ['DELETE', '/events', 'GET, HEAD, POST, OPTIONS'],
      ['POST', '/', 'GET, HEAD, OPTIONS'],
    ]) {
      const answer = await request(method, target);
      assert.deepEqual([answer.status, answer.headers.get('allow')], [405, allowed], `${method} ${target}`);
      assert.equal(JSON.parse(answer.text).code, 'method_not_allowed');
    }
  });

  const ORIGINS = ['http://localhost:5500', 'http://127.0.0.1:8080', 'http://[::1]:1', 'https://app.example'];
  for (const origin of ORIGINS) {
    test(`a page of ${origin} may, with credentials`, async () => {
      const asked = { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,event-type' };
      const preflight = await request('OPTIONS', '/topics/x', { headers: asked });
      assert.equal(preflight.status, 204);
      const get = (name) => preflight.headers.get(`access-control-${name}`);
      assert.deepEqual([get('allow-origin'), get('allow-credentials'), preflight.headers.get('vary')], [origin, 'true', 'origin']);
      const list = (text) => text.toLowerCase().split(/, */);
      for (const method of ['get', 'post']) assert.ok(list(get('allow-methods')).includes(method));
      const wanted = ['authorization', 'content-type', 'accept', 'cache-control', 'last-event-id', 'event-type', 'idempotency-key'];
      for (const header of wanted) assert.ok(list(get('allow-headers')).includes(header), header);

      // Also an error can be read by the page.
      for (const [method, target] of [['POST', '/topics/origins'], ['GET', '/topics/a//b'], ['GET', '/nothing'], ['PUT', '/topics/x']]) {
        const { headers } = await request(method, target, { headers: { origin } });
        const told = ['allow-origin', 'allow-credentials', 'expose-headers'].map((name) => headers.get(`access-control-${name}`));
        assert.deepEqual(told, [origin, 'true', 'Tidings-Gap, Retry-After'], `${method} ${target}`);
        assert.equal(headers.get('vary'), 'origin');
      }
    });
  }

  for (const origin of ['https://evil.example', 'null', 'https://app.example:8443', 'http://localhost.evil.example']) {
    test(`a page of ${origin} may not, not even ask`, async () => {
      for (const [method, body] of [['OPTIONS'], ['GET'], ['POST', 'x']]) {
        const answer = await request(method, '/topics/refused', { headers: { origin }, body });
        assert.deepEqual([answer.status, JSON.parse(answer.text).code], [403, 'origin_refused'], method);
        assert.equal(answer.headers.get('access-control-allow-origin'), null);
        assert.equal(answer.headers.get('vary'), 'origin');
      }
      assert.deepEqual(await storedData(server, 'refused'), []);
    });
  }
});
