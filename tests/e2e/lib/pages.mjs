// Pages of history: what a topic holds.

import assert from 'node:assert/strict';

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
