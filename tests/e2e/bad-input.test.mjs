// Bad input gets a clear error, and nothing else is lost by it.

import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';

import { storedData } from './lib/pages.mjs';
import { Publisher } from './lib/publisher.mjs';
import { rawPost, rawRequest } from './lib/raw.mjs';
import { Server } from './lib/server.mjs';
import { Stream } from './lib/stream.mjs';

const MIB = 1 << 20;
const TEXT = 'Content-Type: text/plain';
const NDJSON = 'Content-Type: application/x-ndjson';

let server;

before(async () => {
  server = await Server.start();
});

after(() => server?.close());

/** A publish of `hello` to `target`, which is sent as it stands. */
const toTopic = (target, ...headers) => (port) => rawPost(port, target, [TEXT, ...headers], 'hello');
const body = (bytes, ...headers) => (port) => rawPost(port, '/topics/x', headers, bytes);
const get = (target, ...headers) => (port) => rawRequest(port, [`GET ${target} HTTP/1.1`, ...headers]);
const batch = (...lines) => (port) => rawPost(port, '/events', [NDJSON], lines.join('\n'));

/** name, request, status, code, what the problem must say */
const REFUSED = [
  ['the type open', toTopic('/topics/x', 'Event-Type: open'), 400, 'reserved_event_type', /open/],
  ['the type error', toTopic('/topics/x', 'Event-Type: error'), 400, 'reserved_event_type', /error/],
  ['a type of our own prefix', toTopic('/topics/x', 'Event-Type: tidings.gap'), 400, 'reserved_event_type', /tidings\./],
  ['a type that is no UTF-8', toTopic('/topics/x', 'Event-Type: a\xff'), 400, 'invalid_event_type', /UTF-8/],
  ['a type of 257 bytes', toTopic('/topics/x', `Event-Type: ${'a'.repeat(257)}`), 400, 'invalid_event_type', /256/],
  ['two types', toTopic('/topics/x', 'Event-Type: a', 'Event-Type: b'), 400, 'invalid_event_type', /one Event-Type/],
  ['LF in a topic', toTopic('/topics/a%0Ab'), 400, 'invalid_topic', /control/],
  ['CR in a topic', toTopic('/topics/a%0Db'), 400, 'invalid_topic', /control/],
  ['NUL in a topic', toTopic('/topics/a%00b'), 400, 'invalid_topic', /control/],
  ['DEL in a topic', toTopic('/topics/a%7Fb'), 400, 'invalid_topic', /control/],
  ['a topic of 1,025 bytes', toTopic(`/topics/${'a'.repeat(1025)}`), 400, 'invalid_topic', /1,?024/],
  ['an empty topic', toTopic('/topics/'), 400, 'invalid_topic', /at least one|empty/],
  ['an empty segment', toTopic('/topics/a//b'), 400, 'invalid_topic', /segment/],
  ['the segment ..', toTopic('/topics/a/../b'), 400, 'invalid_topic', /\.\./],
  ['the segment .. in percent form', toTopic('/topics/a/%2e%2E/b'), 400, 'invalid_topic', /\.\./],
  ['the segment .', toTopic('/topics/./b'), 400, 'invalid_topic', /segment/],
  ['a star', toTopic('/topics/a/*'), 400, 'invalid_topic', /\*/],
  ['the reserved first segment', toTopic('/topics/tidings/stats'), 403, 'reserved_topic', /tidings\//],
  ['invalid UTF-8 in a topic', toTopic('/topics/a%FFb'), 400, 'invalid_topic', /UTF-8/],
  ['raw bytes that are no UTF-8 in a topic', toTopic('/topics/a\xffb'), 400, undefined, undefined],
  ['a percent sign without digits', toTopic('/topics/a%zz'), 400, 'invalid_topic', /percent|%/],
  ['a percent sign at the end', toTopic('/topics/100%'), 400, 'invalid_topic', /percent|%/],
  ['invalid UTF-8 in the body', body('hel\xfflo', TEXT), 400, 'invalid_utf8', /UTF-8/],
  ['another charset', body('hello', 'Content-Type: text/plain; charset=iso-8859-1'), 415, 'unsupported_charset', /utf-8/i],
  ['multipart', body('--a--', 'Content-Type: multipart/form-data; boundary=a'), 415, 'unsupported_media_type', /multipart/],
  ['a body over the limit', body('x'.repeat(MIB + 1), TEXT), 413, 'event_too_large', /1 MiB|1048576|1,048,576/],
  ['a chunked body over the limit', chunkedBody, 413, 'event_too_large', /1 MiB|1048576|1,048,576/],
  ['a compressed body', body('hello', TEXT, 'Content-Encoding: gzip'), 415, 'unsupported_encoding', /Content-Encoding/],
  ['a batch over the limit', (port) => rawPost(port, '/events', [NDJSON], 'x'.repeat(8 * MIB + 1)), 413, 'batch_too_large', /8 MiB|8388608/],
  ['a batch without a line', batch(''), 400, 'empty_batch', /line/],
  ['a batch that does not say what it is', (port) => rawPost(port, '/events', [TEXT], '{}'), 415, 'unsupported_media_type', /x-ndjson/],
  ['a batch without one good line', batch('{', '{"topic":"a"}'), 422, undefined, undefined],
  ['since with last', get('/topics/x?since=all&last=3'), 400, 'conflicting_parameters', /since.*last|last.*since/],
  ['since that is nothing', get('/topics/x?since=yesterday'), 400, 'invalid_parameter', /since/],
  ['last over the limit', get('/topics/x?last=10001'), 400, 'invalid_parameter', /10,?000/],
  ['a bad topic, whatever the id says', get('/topics/a//b', 'Last-Event-ID: zzzzzzzz.5'), 400, 'invalid_topic', /segment/],
  ['a star that is no segment', get('/events?topic=a*'), 400, 'invalid_pattern', /segment/],
  ['no topic at all', get('/events'), 400, 'invalid_parameter', /topic/],
  ['a GET with a body', (port) => rawRequest(port, ['GET /topics/x HTTP/1.1', 'Content-Length: 5'], 'hello'), 400, 'body_not_allowed', /POST/],
  ['an unknown method', (port) => rawRequest(port, ['BREW /topics/x HTTP/1.1']), 405, 'method_not_allowed', /GET|POST/],
  ['an unknown path', get('/tropics/x'), 404, 'not_found', /./],
];

/** A little over the limit, without saying its length beforehand. */
function chunkedBody(port) {
  const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
  const head = ['POST /topics/x HTTP/1.1', TEXT, 'Transfer-Encoding: chunked'];
  return rawRequest(port, head, `${chunk.repeat(17)}0\r\n\r\n`);
}

suite('refused with a problem that says why', () => {
  for (const [index, [name, request, status, code, detail]] of REFUSED.entries()) {
    test(name, async () => {
      const good = new Publisher(server.url, `good/refused-${index}`);
      await good.publish('before');
      const answer = await request(server.port);
      await good.publish('after');

      assert.equal(answer.status, status, answer.body);
      if (code !== undefined) assertProblem(answer, status, code, detail);
      if (status === 405) assert.match(answer.headers.allow, /GET.*POST|POST.*GET/);
      assert.deepEqual(await storedData(server, good.topic), ['before', 'after']);
    });
  }
});

/** Bytes that no HTTP parser lets through: they end the connection with a bare 400, before there is a request. */
const NOT_HTTP = [
  ['LF in a type', ['POST /topics/x HTTP/1.1', 'Event-Type: a\nb', 'Content-Length: 0']],
  ['CR in a type', ['POST /topics/x HTTP/1.1', 'Event-Type: a\rb', 'Content-Length: 0']],
  ['NUL in a type', ['POST /topics/x HTTP/1.1', 'Event-Type: a\0b', 'Content-Length: 0']],
  ['a raw control character in a topic', ['POST /topics/a\x01b HTTP/1.1', 'Content-Length: 0']],
  ['a raw NUL in a topic', ['POST /topics/a\0b HTTP/1.1', 'Content-Length: 0']],
];

suite('not HTTP', () => {
  for (const [index, [name, head]] of NOT_HTTP.entries()) {
    test(name, async () => {
      const good = new Publisher(server.url, `good/not-http-${index}`);
      await good.publish('before');
      assert.equal((await rawRequest(server.port, head)).status, 400);
      await good.publish('after');
      assert.deepEqual(await storedData(server, good.topic), ['before', 'after']);
      assert.deepEqual(await storedData(server, 'x'), [], 'nothing was stored under the bad request');
    });
  }
});

suite('a batch with broken lines answers 207 and stores the others', () => {
  const broken = [
    ['no JSON', '{"topic":"t","data":', 'invalid_line'],
    ['invalid UTF-8', '{"topic":"t","data":"\xff"}', 'invalid_utf8'],
    ['an unknown field', '{"topic":"t","data":"x","colour":"red"}', 'invalid_line'],
    ['LF in the type', '{"topic":"t","type":"a\\nb","data":"x"}', 'invalid_event_type'],
    ['CR in the type', '{"topic":"t","type":"a\\rb","data":"x"}', 'invalid_event_type'],
    ['NUL in the type', '{"topic":"t","type":"a\\u0000b","data":"x"}', 'invalid_event_type'],
    ['LF in the topic', '{"topic":"a\\nb","data":"x"}', 'invalid_topic'],
    ['CR in the topic', '{"topic":"a\\rb","data":"x"}', 'invalid_topic'],
    ['NUL in the topic', '{"topic":"a\\u0000b","data":"x"}', 'invalid_topic'],
    ['a reserved type', '{"topic":"t","type":"error","data":"x"}', 'reserved_event_type'],
    ['data in both forms', '{"topic":"t","data":"x","data_base64":"eA=="}', 'invalid_line'],
  ];
  for (const [index, [name, line, code]] of broken.entries()) {
    test(name, async () => {
      const topic = `batch/${index}`;
      const good = (data) => JSON.stringify({ topic, data });
      const answer = await batch(good('one'), line, good('three'))(server.port);
      assert.equal(answer.status, 207, answer.body);
      const results = answer.body.trim().split('\n').map((each) => JSON.parse(each));
      assert.equal(results.length, 3);
      assert.deepEqual(results.map((each) => each.id !== undefined), [true, false, true]);
      assert.equal(results[1].line, 2);
      assert.equal(results[1].error.code, code);
      assert.ok(results[1].error.detail.length > 0, 'the failed line says why');
      assert.deepEqual(await storedData(server, topic), ['one', 'three']);
    });
  }
});

suite('names that look strange and are not', () => {
  const kept = [
    ['a percent sign is decoded once', '/topics/%2541', '%41'],
    ['%2F is a separator', '/topics/a%2Fb', 'a/b'],
    ['a plus is a plus in a path', '/topics/a+b', 'a+b'],
    ['1,024 bytes', `/topics/${'b'.repeat(1024)}`, 'b'.repeat(1024)],
    ['any UTF-8', '/topics/%E6%B6%88%E6%81%AF', '消息'],
    ['three dots', '/topics/...', '...'],
  ];
  for (const [name, target, topic] of kept) {
    test(name, async () => {
      const answer = await toTopic(target)(server.port);
      assert.equal(answer.status, 200, answer.body);
      assert.equal(JSON.parse(answer.body).topic, topic);
      assert.deepEqual(await storedData(server, topic), ['hello']);
    });
  }
});

suite('no value of Last-Event-ID changes a status', () => {
  const DATA = ['one', 'two', 'three'];
  const epochOf = (id) => id.slice(0, id.lastIndexOf('.'));
  const seqOf = (id) => Number(id.slice(id.lastIndexOf('.') + 1));
  /** name, value made from the ids of the three events, the reason of the gap if there must be one, the data that follows */
  const values = [
    ['of the first event', (ids) => ids[0], undefined, ['two', 'three']],
    ['empty, so the query counts', () => '', undefined, DATA],
    ['garbage', () => 'what is this', 'unknown', DATA],
    ['garbage of 10 kB', () => 'x'.repeat(10_000), 'unknown', DATA],
    ['raw UTF-8', () => Buffer.from('…').toString('latin1'), 'unknown', DATA],
    ['of another epoch', (ids) => `zzzzzzzz.${seqOf(ids[0])}`, 'unknown', DATA],
    ['from the future', (ids) => `${epochOf(ids[2])}.${seqOf(ids[2]) + 1_000_000}`, 'unknown', DATA],
    ['beyond every number', (ids) => `${epochOf(ids[2])}.99999999999999999999999`, 'unknown', DATA],
  ];
  for (const [index, [name, value, reason, follows]] of values.entries()) {
    test(name, async () => {
      const publisher = new Publisher(server.url, `resume/${index}`);
      for (const data of DATA) await publisher.publish(data);
      const id = value(publisher.published.map((event) => event.id));
      const stream = await Stream.open(`${server.url}/topics/${publisher.topic}?since=all`, { 'last-event-id': id });
      try {
        assert.equal(stream.status, 200);
        assert.deepEqual((await stream.take(follows.length)).map((event) => event.data), follows);
        assertGap(stream, reason);
      } finally {
        stream.close();
      }
    });
  }

  for (const name of ['last_event_id', 'lastEventId', 'since']) {
    test(`in the query, as ${name}`, async () => {
      const topic = `resume/query/${name}`;
      await new Publisher(server.url, topic).publish('one');
      const stream = await Stream.open(`${server.url}/topics/${topic}?${name}=zzzzzzzz.5`);
      try {
        assert.equal(stream.status, 200);
        await stream.take(1);
        assertGap(stream, 'unknown');
      } finally {
        stream.close();
      }
    });
  }

  test('unknown is told on an empty topic too', async () => {
    const stream = await Stream.open(`${server.url}/topics/resume/empty`, { 'last-event-id': 'zzzzzzzz.5' });
    try {
      assert.equal(stream.status, 200);
      await new Publisher(server.url, 'resume/empty').publish('first');
      await stream.take(1);
      assertGap(stream, 'unknown');
    } finally {
      stream.close();
    }
  });
});

/** A gap stands before the first event, in the stream and in the head; or in neither. */
function assertGap(stream, reason) {
  const gap = stream.control('gap');
  if (reason === undefined) {
    assert.equal(gap, undefined);
    assert.equal(stream.headers['tidings-gap'], undefined);
    return;
  }
  assert.ok(gap, 'tidings.gap was sent');
  assert.ok(stream.headers['tidings-gap'], 'the head says it too');
  assert.ok(stream.blocks.indexOf(gap) < stream.blocks.indexOf(stream.events[0]), 'before the first event');
  const { requested, resumed, truncated, ...rest } = JSON.parse(gap.data);
  assert.deepEqual(rest, { reason });
  assert.equal(typeof requested, 'string');
  assert.equal(typeof resumed, 'string');
  assert.equal(truncated, false);
  assert.equal(gap.id, resumed, 'who is cut right behind it goes on from there');
}

function assertProblem({ headers, body: text }, status, code, detail) {
  assert.equal(headers['content-type'], 'application/problem+json');
  const problem = JSON.parse(text);
  assert.equal(problem.code, code, text);
  assert.equal(problem.status, status);
  assert.match(`${problem.title}: ${problem.detail}`, detail);
  assert.ok(problem.request_id.length > 0, 'a request id');
  assert.ok(problem.type.length > 0, 'a link');
}
