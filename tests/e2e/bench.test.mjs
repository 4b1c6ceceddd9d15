// `tidings bench` against the release binary, against a plain Node server, and against servers that lose, repeat and refuse.

import assert from 'node:assert/strict';
import http from 'node:http';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';

import { freePort, listen } from './lib/ports.mjs';
import { Run, tidings as tidingsIn } from './lib/run.mjs';
import { Server } from './lib/server.mjs';
import { temporaryDirectory } from './lib/temporary.mjs';
import { until, within } from './lib/until.mjs';

/** The exit codes that `tidings bench` has, of those that `tidings --help` lists. */
const EXIT = { done: 0, failed: 1, usage: 2, unreachable: 5 };

let server;
let directory;

before(async () => {
  [server, directory] = await Promise.all([Server.start(), temporaryDirectory()]);
});

after(async () => {
  await server?.close();
  await directory?.remove();
});

/** Runs `tidings bench` to its end. */
const bench = (...args) => tidingsIn(['bench', ...args.map(String)], directory.path);

/** Its report, of a run in which nothing went wrong. */
async function report(...args) {
  const { code, stdout, stderr } = await bench(...args, '--json');
  assert.deepEqual([code, stderr], [EXIT.done, ''], stdout);
  const figures = JSON.parse(stdout);
  assert.deepEqual([figures.faults, figures.interrupted], [[], false]);
  return figures;
}

const here = () => ['--url', server.url, '--pid', server.run.pid];

suite('against Tidings', () => {
  test('hold counts subscriptions, and what they cost', async () => {
    const figures = await report('hold', '--conns', 500, '--settle', 0, ...here());
    assert.deepEqual([figures.open, figures.refused, figures.closed], [500, 0, 0]);
    assert.ok(figures.connects_per_s > 100, `${figures.connects_per_s} connects/s`);
    assert.ok(figures.server_bytes_per_subscriber >= 0 && figures.server_cpu_us_per_connect >= 0);
  });

  test('fanout delivers every event to every subscriber', async () => {
    const figures = await report('fanout', '--conns', 300, '--rate', 40, '--publishers', 4, '--secs', 1, '--topics', 3, ...here());
    assert.equal(figures.published, 40);
    assert.equal(figures.deliveries, 40 * 100, 'a third of the subscribers listens to each topic');
    const { p50, p90, p99, p999, max } = figures.latency_ms;
    assert.ok(0 < p50 && p50 <= p90 && p90 <= p99 && p99 <= p999 && p999 <= max && max < 10_000, JSON.stringify(figures));
    assert.ok(figures.wire_bytes_per_delivery > 128 && figures.server_cpu_us_per_delivery >= 0);
  });

  test('fanout publishes as fast as answers come, and the chart is written', async () => {
    const svg = path.join(directory.path, 'fanout.svg');
    const figures = await report('fanout', '--conns', 50, '--rate', 0, '--publishers', 4, '--secs', 1, '--size', 2_000, '--svg', svg, ...here());
    assert.equal(figures.deliveries, figures.published * 50);
    assert.ok(figures.published > 100, `${figures.published} published`);
    assert.match(await readFile(svg, 'utf8'), /^<svg .*<polyline [^>]*points="\d.*<\/svg>\n$/s);
  });

  test('publish counts acknowledged events, and one subscriber has them all', async () => {
    const before = await server.metric('tidings_published_total');
    const figures = await report('publish', '--publishers', 8, '--secs', 1, ...here());
    assert.ok(figures.published > 100 && figures.answer_ms.p50 > 0, JSON.stringify(figures));
    assert.equal(figures.published, (await server.metric('tidings_published_total')) - before, 'the server counts the same');
  });

  test('replay reads a history as often as there are subscribers', async () => {
    const figures = await report('replay', '--conns', 40, '--history', 2_500, ...here());
    assert.deepEqual([figures.history, figures.replayed], [2_500, 100_000]);
    assert.ok(figures.caught_up_ms.max <= figures.seconds * 1_000 + 10, JSON.stringify(figures));
  });

  test('people get lines, and Ctrl-C ends a run with what there is', async () => {
    const run = new Run(['bench', 'fanout', '--conns', '20', '--rate', '20', '--secs', '600', '--url', server.url], directory.path);
    try {
      await until('the first progress line', () => /publishing for \d+ s: [1-9]\d* acknowledged/.test(run.stderr), 20_000);
      const { code } = await run.stop('SIGINT');
      assert.equal(code, EXIT.done, run.output);
      assert.match(run.stdout, /^fanout: http:.*, ended early\n/);
      assert.match(run.stdout, /^events missing +0$/m);
    } finally {
      await run.stop('SIGKILL');
    }
  });
});

suite('against others', () => {
  /** A plain server of one kind of stream; `deliver(listeners, event, count)` is how it treats its `count`th event. */
  async function plain(deliver) {
    const listeners = new Set();
    let count = 0;
    const other = http.createServer((request, response) => {
      if (request.method === 'GET') {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
        listeners.add(response);
        return;
      }
      const parts = [];
      request.on('data', (part) => parts.push(part));
      request.on('end', () => {
        count += 1;
        deliver([...listeners], `event: x\ndata: {"body":"${Buffer.concat(parts)}"}\n\n`, count, response);
        if (!response.writableEnded) response.writeHead(202, { 'content-length': 0 }).end();
      });
    });
    const url = `http://127.0.0.1:${await listen(other)}`;
    const templates = ['--subscribe-url', `${url}/sub/{topic}`, '--publish-url', `${url}/pub/{topic}`, '--publish-method', 'PUT'];
    return { templates, close: () => { other.closeAllConnections(); other.close(); } };
  }

  const toAll = (listeners, event) => listeners.forEach((listener) => listener.write(event));

  /** Fifty events to ten subscribers of such a server. */
  async function fanout(deliver) {
    const other = await plain(deliver);
    try {
      const { code, stdout, stderr } = await bench('fanout', '--conns', 10, '--rate', 50, '--secs', 1, '--json', ...other.templates);
      return { code, stderr, figures: JSON.parse(stdout) };
    } finally {
      other.close();
    }
  }

  test('a Node server that does it right', async () => {
    const { code, figures } = await fanout(toAll);
    assert.deepEqual([code, figures.deliveries, figures.faults], [EXIT.done, 500, []]);
  });

  test('an event that is lost is missed, by each who missed it', async () => {
    const { code, stderr, figures } = await fanout((listeners, event, count) => {
      toAll(count === 20 ? listeners.slice(3) : listeners, event);
    });
    assert.deepEqual([code, figures.missing, figures.doubled, figures.out_of_order], [EXIT.failed, 3, 0, 0]);
    assert.match(stderr, /^error: events missing 3$/m);
  });

  test('an event that comes twice is counted, and not as a delivery', async () => {
    const { code, figures } = await fanout((listeners, event, count) => {
      toAll(listeners, event);
      if (count === 50) toAll(listeners.slice(0, 2), event);
    });
    assert.deepEqual([code, figures.missing, figures.doubled, figures.deliveries], [EXIT.failed, 0, 2, 500]);
  });

  test('events that change places are counted', async () => {
    let kept = '';
    const { code, figures } = await fanout((listeners, event, count) => {
      if (count === 10) kept = event;
      else toAll(listeners, event + kept);
      if (count === 11) kept = '';
    });
    assert.deepEqual([code, figures.missing, figures.out_of_order, figures.doubled], [EXIT.failed, 0, 10, 0]);
  });

  test('a stream that is closed, and a publish that is refused, are said', async () => {
    const closing = await fanout((listeners, event, count) => {
      if (count === 50) listeners[0].end();
      else toAll(listeners, event);
    });
    assert.deepEqual([closing.code, closing.figures.closed, closing.figures.missing], [EXIT.failed, 1, 10]);
    const refusing = await fanout((listeners, event, count, response) => {
      if (count === 5) response.writeHead(503, { 'content-length': 5 }).end('later');
      else toAll(listeners, event);
    });
    assert.deepEqual([refusing.code, refusing.figures.publishes_refused, refusing.figures.missing], [EXIT.failed, 1, 0]);
    assert.match(refusing.stderr, /a publish was refused: 503 Service Unavailable later/);
  });

  test('who has no history cannot replay', async () => {
    const other = await plain(toAll);
    try {
      const { code, stderr } = await bench('replay', '--conns', 2, '--history', 5, ...other.templates);
      assert.deepEqual([code, stderr], [EXIT.failed, 'error: events come without an id: this server cannot replay\n']);
    } finally {
      other.close();
    }
  });

  test('no stream there: it is said why', async () => {
    const { code, stderr } = await bench('hold', '--conns', 3, '--settle', 0, '--subscribe-url', `${server.adminUrl}/healthz`);
    assert.equal(code, EXIT.failed);
    assert.match(stderr, /^error: subscriptions refused 3; a subscription was refused: 200 OK, but no event stream\n$/);
  });
});

suite('what is not begun', () => {
  async function usage(args, expect, exit = EXIT.usage) {
    const { code, stdout, stderr } = await within(`bench ${args}`, bench(...args.split(' ')));
    assert.deepEqual([code, stdout], [exit, ''], stderr);
    assert.match(stderr, expect);
    assert.equal(stderr.split('\n').length, 2, 'one line');
  }

  test('a load on another machine, unless it is meant', () => usage('hold --url http://192.0.2.1:3200', /--remote/));
  test('https', () => usage('hold --subscribe-url https://localhost/', /https:\/\/ is not there yet/));
  test('a server that nobody runs', async () => {
    await usage(`hold --url http://127.0.0.1:${await freePort()}`, /cannot connect to .*: connection refused/, EXIT.unreachable);
  });
  test('more connections than files', () => usage(`hold --url ${server.url} --conns 1000000`, /ulimit -n 1000064/));
  test('a process that there is not', () => usage(`hold --url ${server.url} --pid 4194999`, /process 4194999/));
  test('longer than ten minutes', () => usage('fanout --secs 601', /601/));
  test('an event smaller than its mark', () => usage('publish --size 10', /10/));
});
