// Pages of history: what a topic holds.

import assert from 'node:assert/strict';

import { Stream } from './stream.mjs';
import { until } from './until.mjs';

/** The path of `topic`, each segment percent-encoded. */
export function topicPath(topic) {
  return `/topics/${topic.split('/').map(encodeURIComponent).join('/')}`;
}

/** One page of `target` (a path with its query), as parsed JSON. */
export async function page(server, target, headers = {}) {
  const answer = await fetch(`${server.url}${target}`, { headers: { accept: 'application/json', ...headers } });
  assert.equal(answer.status, 200, `GET ${target}`);
  return answer.json();
}

/** Every event of `topic` that is kept, oldest first. */
export async function stored(server, topic) {
  const events = [];
  for (let since = 'all', more = true; more; ) {
    const { events: found, next, more: left } = await page(server, `${topicPath(topic)}?since=${encodeURIComponent(since)}`);
    events.push(...found);
    [since, more] = [next, left];
  }
  return events;
}

/** The same, the data alone. */
export async function storedData(server, topic) {
  return (await stored(server, topic)).map((event) => event.data);
}

/**
 * What a subscriber of `topic` is told that comes back with `lastEventId`: `{ data, gaps }`, the data of all events up to the
 * newest one, and the data of each `tidings.gap` with the place it stood at, as `[place, gap]`.
 */
export async function resumed(server, topic, lastEventId) {
  const newest = (await stored(server, topic)).at(-1);
  const stream = await Stream.open(server.url + topicPath(topic), lastEventId ? { 'last-event-id': lastEventId } : {});
  try {
    // Nothing may come: then the opening, and a gap with it, is all there is to wait for.
    const isDone = () => (newest && newest.id !== lastEventId ? stream.events.at(-1)?.id === newest.id : stream.control('open'));
    await until(() => `${newest?.id} of ${topic}; ${stream.events.length} events came`, isDone);
    const blocks = stream.blocks.filter(({ event, data }) => data !== undefined && event !== 'tidings.open');
    const gaps = blocks.flatMap(({ event, data }, place) => (event === 'tidings.gap' ? [[place, JSON.parse(data)]] : []));
    const said = stream.headers['tidings-gap'];
    assert.equal(said, gaps[0]?.[1].reason, 'the head says the same as the stream');
    return { data: stream.events.map(({ data }) => data), gaps };
  } finally {
    stream.close();
  }
}
