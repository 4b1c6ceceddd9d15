// A checker that never complains proves nothing: here each of them is given something to complain of.

import assert from 'node:assert/strict';
import http from 'node:http';
import { suite, test } from 'node:test';

import { Follower } from './lib/follower.mjs';
import { differences, Ledger } from './lib/ledger.mjs';
import { listen } from './lib/ports.mjs';
import { Rng } from './lib/rng.mjs';
import { SteadyPublisher } from './lib/steady-publisher.mjs';
import { parse, wayOf } from './lib/strace.mjs';
import { until } from './lib/until.mjs';

const EVENTS = Array.from({ length: 5 }, (_, i) => ({ id: `aaaaaaaa.${i + 8}`, type: 'message', data: `event ${i}` }));

suite('differences', () => {
  const [a, b, c, d, e] = EVENTS;
  const cases = [
    ['nothing wrong', [a, b, c, d, e], []],
    ['a missing one', [a, b, d, e], [/^1 missing: aaaaaaaa\.10 /]],
    ['the last one missing', [a, b, c, d], [/^1 missing: aaaaaaaa\.12 /]],
    ['a doubled one', [a, b, c, c, d, e], [/^1 doubled: aaaaaaaa\.10 /, /^1 out of order/]],
    ['one doubled under another id', [a, b, c, d, e, { ...a, id: 'aaaaaaaa.20' }], [/^1 doubled: aaaaaaaa\.20 /]],
    ['two changed places', [a, c, b, d, e], [/^1 out of order: aaaaaaaa\.9 /]],
    ['another id', [a, b, { ...c, id: 'bbbbbbbb.10' }, d, e], [/^1 other id or type: bbbbbbbb\.10 /]],
    ['another type', [a, b, { ...c, type: 'note' }, d, e], [/^1 other id or type: aaaaaaaa\.10 note/]],
    ['one that nobody published', [a, b, c, d, e, { ...e, id: 'aaaaaaaa.13', data: 'x' }], [/^1 never acknowledged: aaaaaaaa\.13 /]],
    ['nothing at all', [], [/^5 missing: /]],
  ];
  for (const [name, seen, complaints] of cases) {
    test(name, () => {
      const found = differences(EVENTS, seen);
      assert.equal(found.length, complaints.length, found.join('\n'));
      for (const complaint of complaints) assert.ok(found.some((sentence) => complaint.test(sentence)), found.join('\n'));
    });
  }
});

suite('a follower', () => {
  test('comes back with the last id that came whole, keeps doubles, and tells of gaps', async (t) => {
    const asked = [];
    const answers = [
      'id: a.1\nevent: tidings.open\ndata: {}\n\nid: a.2\ndata: one\n\nid: a.3\ndata: tor',
      'id: a.2\nevent: tidings.open\ndata: {}\n\nid: a.2\ndata: one\n\nid: a.5\nevent: tidings.gap\ndata: {"reason":"expired"}\n\nid: a.5\ndata: two\n\n',
    ];
    const server = await serve(t, (request, response) => {
      asked.push(request.headers['last-event-id']);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const answer = answers[asked.length - 1];
      response.write(answer ?? ': nothing more\n\n', () => answer && setTimeout(() => response.destroy(), 20));
    });
    const follower = await Follower.start('a follower', 'sse', server, '/events?topic=x');
    t.after(() => follower.close());
    await until('the third connection', () => asked.length === 3);
    assert.deepEqual(asked, [undefined, 'a.2', 'a.5']);
    assert.deepEqual((await follower.received()).map(({ id, data }) => `${id} ${data}`), ['a.2 one', 'a.2 one', 'a.5 two']);
    assert.deepEqual(follower.gaps, ['{"reason":"expired"}']);
  });
});

suite('a publisher that gives up on nothing', () => {
  test('repeats what was cut with the same keys, and complains of lies', async (t) => {
    const keys = [];
    const answers = [
      undefined, // cut
      { id: 'a.7', duplicate: true }, // what was cut had been published
      { id: 'a.8', duplicate: true }, // sent once, and called a duplicate
      { id: 'a.6' }, // the order went back
    ];
    const server = await serve(t, (request, response) => {
      keys.push(request.headers['idempotency-key']);
      request.resume().on('end', () => {
        const answer = answers[keys.length - 1];
        if (answer) response.end(JSON.stringify(answer));
        else if (keys.length === 1) response.destroy();
      });
    });
    const ledger = new Ledger();
    const publisher = new SteadyPublisher('p', new Rng(1), server, ledger, ['x'], { batches: false });
    const running = publisher.run();
    running.catch(() => {});
    await until('three answers', () => ledger.count === 3);
    publisher.abandon();
    assert.deepEqual(keys.slice(0, 4), ['p-1', 'p-1', 'p-2', 'p-3']);
    assert.deepEqual([publisher.counts.repeated, publisher.counts.duplicates], [1, 2]);
    assert.equal(publisher.complaints.length, 2, publisher.complaints.join('\n'));
    assert.match(publisher.complaints[0], /sent once, and answered as a duplicate: p-2/);
    assert.match(publisher.complaints[1], /a\.6 was answered behind 8: p-3/);
  });

  test('complains of a batch of which a part survived', async (t) => {
    let requests = 0;
    const server = await serve(t, async (request, response) => {
      requests += 1;
      let text = '';
      for await (const piece of request.setEncoding('utf8')) text += piece;
      const answers = text.split('\n').map((_, i) => JSON.stringify({ id: `a.${requests * 100 + i}`, ...(i === 0 ? { duplicate: true } : {}) }));
      if (requests === 1) response.destroy();
      else if (requests === 2) response.end(answers.join('\n'));
    });
    const ledger = new Ledger();
    const publisher = new SteadyPublisher('p', new Rng(1), server, ledger, ['x', 'y'], { batches: true });
    publisher.run().catch(() => {});
    await until('an answer', () => ledger.count > 0);
    publisher.abandon();
    assert.match(publisher.complaints.join('\n'), /1 of \d+ lines survived: p-1/);
  });
});

suite('what strace wrote', () => {
  const log = '11</d/log/0000000001.log>';
  const record = `70  pwrite64(${log}, "\\1\\0syncs/07\\0x", 64, 8192) = 64`;
  const sync = `70  fdatasync(${log}) = 0`;
  const answer = '71  writev(14<TCP:[127.0.0.1:3200->127.0.0.1:5]>, [{iov_base="{\\"topic\\":\\"syncs/07\\"}", iov_len=9}], 1) = 9';
  const cases = [
    ['one after the other', [record, sync, answer], 1],
    ['another thread in between', [
      `70  pwrite64(${log}, "syncs/07", 64, 8192 <unfinished ...>`,
      `71  sendto(14<TCP:[127.0.0.1:3200->127.0.0.1:6]>, "another", 7, 0, NULL, 0) = 7`,
      '70  <... pwrite64 resumed>) = 64',
      `70  fdatasync(${log} <unfinished ...>`,
      '71  <... epoll_wait resumed>) = 1',
      '70  <... fdatasync resumed>) = 0',
      answer,
    ], 1],
    ['no sync', [record, answer], 0],
    ['a sync before the record', [sync, record, answer], 0],
    ['a sync behind the answer', [record, answer, sync], 0],
    ['a sync that was not done when the answer went out', [record, `70  fdatasync(${log} <unfinished ...>`, answer, '70  <... fdatasync resumed>) = 0'], 0],
    ['a sync that failed', [record, `70  fdatasync(${log}) = -1 EIO (Input/output error)`, answer], 0],
    ['a sync of another file', [record, sync.replace('01.log', '02.log'), answer], 0],
  ];
  for (const [name, lines, syncs] of cases) {
    test(name, () => {
      const way = wayOf('syncs/07', parse(lines.join('\n')));
      assert.ok(way.record && way.answer);
      assert.equal(way.syncs.length, syncs);
    });
  }
});

/** A server of the test's own, in place of Tidings. */
async function serve(t, handler) {
  const server = http.createServer(handler);
  const port = await listen(server);
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port, url: `http://127.0.0.1:${port}` };
}
