// Publishes to the server directly, past every proxy, and keeps the list that a subscriber must end up with.

/** An event of the stream as a test compares it. */
export function eventOf(id, type, data) {
  return { id, type, data };
}

export class Publisher {
  #url;
  /** Every event the server acknowledged, in that order, which is the order of the topic. */
  published = [];

  constructor(serverUrl, topic) {
    this.topic = topic;
    this.#url = `${serverUrl}/topics/${topic}`;
  }

  /** Publishes one event and waits for its acknowledgement; answers with its id. */
  async publish(data, type = 'message') {
    const headers = { 'content-type': 'text/plain' };
    if (type !== 'message') headers['event-type'] = type;
    const answer = await fetch(this.#url, { method: 'POST', headers, body: data });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`publishing to ${this.topic}: ${answer.status} ${text}`);
    const { id } = JSON.parse(text);
    this.published.push(eventOf(id, type, data));
    return id;
  }
}
