// Publishes to the server directly, past every proxy, and keeps the list that a subscriber must end up with.

/** An event of the stream as a test compares it. */
export function eventOf(id, type, data) {
  return { id, type, data };
}

/** Publishes `lines` (events as `POST /events` takes them, or text) in one batch; answers with the status and an answer a line. */
export async function publishBatch(server, lines, query = '') {
  const body = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const answer = await fetch(`${server.url}/events${query}`, { method: 'POST', headers: { 'content-type': 'application/x-ndjson' }, body });
  const text = await answer.text();
  return { status: answer.status, answers: text.trimEnd().split('\n').map((line) => JSON.parse(line)) };
}

export class Publisher {
  #url;
  /** Every event the server acknowledged, in that order, which is the order of the topic. */
  published = [];

  constructor(serverUrl, topic) {
    this.topic = topic;
    this.#url = `${serverUrl}/topics/${topic}`;
  }

  /** Publishes one event, with `more` headers, and waits for its acknowledgement; answers with its id. */
  async publish(data, type = 'message', more = {}) {
    const headers = { 'content-type': 'text/plain', ...more };
    if (type !== 'message') headers['event-type'] = type;
    const answer = await fetch(this.#url, { method: 'POST', headers, body: data });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`publishing to ${this.topic}: ${answer.status} ${text}`);
    const { id } = JSON.parse(text);
    this.published.push(eventOf(id, type, data));
    return id;
  }
}
