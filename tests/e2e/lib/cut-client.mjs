// One client's way through all its cuts: publish while it listens, cut, publish while it is away, let it back.

import { Cutter } from './cutter.mjs';
import { Histogram } from './histogram.mjs';
import { plansFor } from './plans.mjs';
import { Publisher } from './publisher.mjs';
import { Rng } from './rng.mjs';
import { until, within } from './until.mjs';

/** The types the publisher uses: the default, and one of its own that must reach `addEventListener`. */
export const TYPES = ['message', 'note'];

/** The longest `retry` Tidings sends in health is 3 s; a client that is not back after this is lost. */
const RETURN_MS = 15_000;

/** From an acknowledgement to the bytes on the wire. */
const DELIVERY_MS = 10_000;

export class CutClient {
  #rng;
  #publisher;
  #cutter;
  #listener;
  #plans;
  #number = 0;
  #passed = 0;
  histogram = new Histogram();
  gaps = 0;

  /** `start(url)` answers with something that has `received()` and `close()`; `options` are those of `plansFor`. */
  static async open(name, seed, server, start, options = {}) {
    const client = new CutClient();
    client.name = name;
    client.#rng = Rng.named(seed, name);
    client.#plans = plansFor(client.#rng, options);
    client.#publisher = new Publisher(server.url, `cuts/${name}`);
    client.#cutter = await Cutter.open(server.port);
    // It begins behind this event, which it therefore never sees.
    const since = await new Publisher(server.url, client.#publisher.topic).publish('before everything');
    await client.#publishSome();
    const url = `http://localhost:${client.#cutter.port}/topics/cuts/${name}?since=${encodeURIComponent(since)}`;
    client.#listener = await start(url);
    return client;
  }

  get published() {
    return this.#publisher.published;
  }

  /** All its cuts, one after the other; then one connection to the end. */
  async run() {
    for (const plan of this.#plans) {
      const passage = await this.#admit(this.#placed(plan));
      const outcome = await this.#publishUntilOver(passage);
      if (outcome.error) throw new Error(`${this.name}, cut ${this.histogram.cuts + 1}: ${outcome.error}`);
      this.#note(passage);
      // Only now is it let back in, so every one of these was published while it was away.
      this.histogram.add(outcome, await this.#publishSome());
    }
    const last = await this.#admit(undefined);
    await this.#publishSome();
    // After the last one: anything that came twice behind it would show in the list.
    await until(
      () => `${this.name} to receive the last event`,
      async () => (await this.received()).some((event) => event.id === this.published.at(-1).id),
      DELIVERY_MS,
    );
    this.#note(last);
  }

  /** The raw list, in the order of arrival, without the server's own control events. */
  async received() {
    return (await this.#listener.received()).filter((event) => !event.type.startsWith('tidings.'));
  }

  async close() {
    await this.#listener.close();
    this.#cutter.close();
  }

  /** A live plan counts from behind what the client has missed so far. */
  #placed(plan) {
    const missed = this.published.length - this.#passed;
    return plan.live ? { ...plan, eventsBefore: plan.eventsBefore + missed } : plan;
  }

  #note(passage) {
    this.#passed += passage.eventsPassed;
    if (passage.gapSeen) this.gaps += 1;
  }

  #admit(plan) {
    const what = () => `${this.name} to come back for cut ${this.histogram.cuts + 1}; it said: ${this.#listener.errors}`;
    return within(what, this.#cutter.admit(plan), RETURN_MS);
  }

  /** Feeds the connection one event at a time until the cut has fallen. */
  async #publishUntilOver(passage) {
    await until(`${this.name}: the response head`, () => passage.headPassed || passage.isOver, DELIVERY_MS);
    while (!passage.isOver) {
      const before = passage.eventsPassed;
      await this.#publishOne();
      await until(`${this.name}: an event to pass`, () => passage.eventsPassed > before || passage.isOver, DELIVERY_MS);
    }
    return passage.outcome;
  }

  async #publishSome() {
    const count = this.#rng.between(1, 4);
    for (let i = 0; i < count; i += 1) await this.#publishOne();
    return count;
  }

  #publishOne() {
    this.#number += 1;
    return this.#publisher.publish(this.#data(), this.#rng.pick(TYPES));
  }

  /** Numbered, of any length up to some thousand bytes, on several lines, some of them looking like fields. */
  #data() {
    const words = ['alpha', 'id: 9', 'data:', ' leading', 'Grüße', '消息', '😀', ':', '\n', 'retry: 1', '"quoted"'];
    const length = this.#rng.below(10) === 0 ? this.#rng.below(600) : this.#rng.below(12);
    const text = Array.from({ length }, () => this.#rng.pick(words)).join(' ');
    return `${this.#number} ${text}`;
  }
}
