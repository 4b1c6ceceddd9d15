// HTTP/2 with prior knowledge on the same port: Node's own client and curl publish, listen, share a connection and resume.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import http2 from 'node:http2';
import { after, before, suite, test } from 'node:test';
import { promisify } from 'node:util';

import { Server } from './lib/server.mjs';
import { until, within } from './lib/until.mjs';

const run = promisify(execFile);

/** As many as a gateway puts on one connection. */
const STREAMS = 100;

/** More than a stream's window and all that the server keeps of it: 64 KiB, and two pieces of 16 KiB. */
const STALL_EVENTS = 40;
const EVENT_BYTES = 16 << 10;

/** Header names that HTTP/2 forbids: they are about a connection of HTTP/1.1. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'];

const CURL = ['--silent', '--show-error', '--http2-prior-knowledge', '--max-time', '20'];

let server;

before(async () => {
  server = await Server.start();
});

after(() => server?.close());

suite("Node's client", () => {
  test('publishes, listens on two streams of one connection, and resumes on a third', async (t) => {
    const client = new Client(t);
    const [one, two] = [await client.listen('/topics/h2/one'), await client.listen('/events?topic=h2/**')];
    const first = await client.publish('h2/one', 'first');
    const second = await client.publish('h2/two', 'second');
    await until('both', () => two.events.length === 2);
    assert.deepEqual(one.events, [{ id: first, data: 'first' }]);
    assert.deepEqual(two.events.map(({ id }) => id), [first, second]);
    assert.deepEqual(JSON.parse(two.events[1].data).topic, 'h2/two');

    two.close();
    const third = await client.publish('h2/one', 'third, while it was away');
    const back = await client.listen('/events?topic=h2/**&envelope=none', { 'last-event-id': first });
    await until('what it missed', () => back.events.length === 2);
    assert.deepEqual(back.events, [{ id: second, data: 'second' }, { id: third, data: 'third, while it was away' }]);
    assert.equal(back.headers['tidings-gap'], undefined);
    assert.equal(await server.metric('tidings_subscribers'), 2);
  });

  test('has a hundred streams on one connection, and publishes beside them', async (t) => {
    const client = new Client(t);
    const streams = await Promise.all(Array.from({ length: STREAMS }, () => client.listen('/topics/h2/many')));
    const ids = [await client.publish('h2/many', 'for all'), await client.publish('h2/many', 'and one more')];
    await until('all to hear both', () => streams.every((stream) => stream.events.length === 2));
    for (const stream of streams) assert.deepEqual(stream.events.map(({ id }) => id), ids);
  });

  test('reads one stream while another stands still, which then has missed nothing', async (t) => {
    const client = new Client(t);
    const [stuck, reader] = [await client.listen('/topics/h2/large'), await client.listen('/topics/h2/large')];
    stuck.pause();
    const ids = [];
    for (let i = 0; i < STALL_EVENTS; i += 1) ids.push(await client.publish('h2/large', `${i}`.padEnd(EVENT_BYTES, '.')));
    await until('the other to read all', () => reader.events.length === ids.length);
    assert.ok(stuck.events.length < ids.length, 'it has a window of its own');
    stuck.resume();
    await until('the rest', () => stuck.events.length === ids.length);
    for (const stream of [stuck, reader]) assert.deepEqual(stream.events.map(({ id }) => id), ids);
  });

  test('is sent no header of HTTP/1.1, whatever it asks for', async (t) => {
    const client = new Client(t);
    for (const [method, path, status] of [
      ['GET', '/', 200],
      ['HEAD', '/topics/h2/none', 200],
      ['GET', '/nothing', 404],
      ['PUT', '/topics/h2/none', 405],
      ['DELETE', '/topics/h2/none', 204],
    ]) {
      const { headers } = await client.ask({ ':method': method, ':path': path });
      assert.equal(headers[':status'], status, `${method} ${path}`);
      for (const name of HOP_BY_HOP) assert.equal(headers[name], undefined, `${method} ${path}: ${name}`);
    }
  });

  test('is told when its streams end, and then the connection ends', async (t) => {
    const stopping = await Server.start();
    t.after(() => stopping.close());
    const client = new Client(t, stopping);
    const streams = await Promise.all(Array.from({ length: 5 }, () => client.listen('/topics/h2/drain')));
    assert.deepEqual(await stopping.stop('SIGTERM'), { code: 0, signal: null });
    await within('the end of the connection', client.closed);
    for (const stream of streams) {
      await until('its end', () => stream.ended);
      assert.equal(stream.code, http2.constants.NGHTTP2_NO_ERROR, 'an end, not a reset');
      assert.match(stream.text, /event: tidings\.end\ndata: \{"reason":"drain","retry":\d+\}\n\n$/);
    }
  });
});

suite('curl', () => {
  test('publishes and reads a page', async () => {
    const version = ['--write-out', '\n%{http_version} %{http_code}'];
    const published = await run('curl', [...CURL, ...version, '--data', 'from curl', `${server.url}/topics/h2/curl`]);
    assert.match(published.stdout, /^\{"id":".+","topic":"h2\/curl"\}\n?\n2 200$/);
    const json = ['--header', 'Accept: application/json'];
    const page = await run('curl', [...CURL, ...json, `${server.url}/topics/h2/curl`]);
    assert.deepEqual(JSON.parse(page.stdout).events.map(({ data }) => data), ['from curl']);
  });

  test('listens, and resumes with Last-Event-ID', async (t) => {
    const url = `${server.url}/topics/h2/curl-listens`;
    const listen = (...more) => {
      const child = spawn('curl', [...CURL, '--no-buffer', ...more, url]);
      t.after(() => child.kill());
      const heard = { text: '', child };
      child.stdout.setEncoding('utf8').on('data', (text) => (heard.text += text));
      return heard;
    };
    const before = listen();
    await until('the stream to open', () => before.text.includes('event: tidings.open'));
    await run('curl', [...CURL, '--data', 'one', url]);
    await until('an event', () => before.text.includes('data: one\n\n'));
    before.child.kill();
    const id = before.text.match(/id: (.+)\ndata: one\n/)[1];
    await run('curl', [...CURL, '--data', 'two', url]);
    const back = listen('--header', `Last-Event-ID: ${id}`);
    await until('what it missed', () => back.text.includes('data: two\n\n'));
    assert.ok(!back.text.includes('data: one') && !back.text.includes('tidings.gap'), back.text);
  });

  test('speaks HTTP/1.1 where it asks to change over, and is served', async () => {
    // The server changes over only where it is known from the first byte.
    const args = ['--silent', '--show-error', '--http2', '--max-time', '20', '--write-out', '\n%{http_version} %{http_code}'];
    const { stdout } = await run('curl', [...args, '--data', 'x', `${server.url}/topics/h2/upgrade`]);
    assert.match(stdout, /\n1\.1 200$/);
  });
});

/** A connection of Node's own client, which goes with its test. */
class Client {
  #session;
  closed;

  constructor(t, to = server) {
    this.#session = http2.connect(to.url);
    this.#session.on('error', () => {});
    this.closed = new Promise((resolve) => this.#session.once('close', resolve));
    t.after(() => this.#session.destroy());
  }

  /** Asks, and reads the whole answer. */
  async ask(headers, body) {
    const request = this.#session.request(headers);
    request.end(body);
    const answer = { text: '' };
    request.setEncoding('utf8').on('data', (text) => (answer.text += text));
    const end = new Promise((resolve, reject) => request.on('end', resolve).on('error', reject));
    answer.headers = await within('the answer', new Promise((resolve) => request.on('response', resolve)));
    await within("the answer's end", end);
    return answer;
  }

  async publish(topic, data) {
    const { headers, text } = await this.ask({ ':method': 'POST', ':path': `/topics/${topic}` }, data);
    assert.equal(headers[':status'], 200, text);
    return JSON.parse(text).id;
  }

  /** Listens, and waits until the stream has opened. */
  async listen(path, headers = {}) {
    const stream = new Listener(this.#session.request({ ':path': path, accept: 'text/event-stream', ...headers }));
    await until('the stream to open', () => stream.text.includes('event: tidings.open'));
    assert.equal(stream.headers[':status'], 200);
    for (const name of HOP_BY_HOP) assert.equal(stream.headers[name], undefined, name);
    return stream;
  }
}

/** One stream of events. */
class Listener {
  #request;
  text = '';
  ended = false;

  constructor(request) {
    this.#request = request;
    request.on('response', (headers) => (this.headers = headers));
    request.setEncoding('utf8').on('data', (text) => (this.text += text));
    request.on('error', () => {});
    request.on('close', () => {
      this.ended = true;
      this.code = request.rstCode;
    });
  }

  /** The published events so far, whole ones. */
  get events() {
    const blocks = this.text.split('\n\n').slice(0, -1).filter((block) => !block.includes('event: tidings.'));
    const field = (block, name) => block.match(new RegExp(`^${name}: (.*)$`, 'm'))?.[1];
    return blocks.map((block) => ({ id: field(block, 'id'), data: field(block, 'data') })).filter(({ id }) => id !== undefined);
  }

  pause() {
    this.#request.pause();
  }

  resume() {
    this.#request.resume();
  }

  close() {
    this.#request.close(http2.constants.NGHTTP2_CANCEL);
  }
}
