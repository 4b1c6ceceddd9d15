// The browser's own EventSource, on a page of another loopback origin than the stream.

import { serveHtml } from './site.mjs';

/** Listens to `url` with credentials and keeps every event of `types`, as received. */
export class PageClient {
  #site;
  /** The console's errors. */
  errors = '';

  static async open(browser, url, types) {
    const client = new PageClient();
    client.#site = await serveHtml('<!doctype html><title>listener</title>');
    client.page = await browser.newPage();
    client.page.on('console', (message) => message.type() === 'error' && (client.errors += `${message.text()}\n`));
    await client.page.goto(client.#site.url);
    await client.page.evaluate(listen, { url, types });
    return client;
  }

  received() {
    return this.page.evaluate(() => globalThis.received);
  }

  /** 0 connecting, 1 open, 2 closed for good. */
  readyState() {
    return this.page.evaluate(() => globalThis.source.readyState);
  }

  async close() {
    await this.page.close();
    await this.#site.close();
  }
}

/** Runs in the page. */
function listen({ url, types }) {
  globalThis.received = [];
  globalThis.source = new EventSource(url, { withCredentials: true });
  for (const type of types) {
    globalThis.source.addEventListener(type, (event) => {
      globalThis.received.push({ id: event.lastEventId, type: event.type, data: event.data });
    });
  }
}
