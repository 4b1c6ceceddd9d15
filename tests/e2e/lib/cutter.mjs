// A TCP proxy between one client and Tidings that ends each connection at a planned place, at a random byte.
//
// It adds nothing to what passes (local mode refuses proxied requests), and it counts a connection only once a request
// comes: browsers open sockets ahead of need.

import net from 'node:net';

import { listen } from './ports.mjs';
import { Scanner } from './scanner.mjs';

/**
 * @typedef {object} Plan
 * @property {string} place        one of PLACES
 * @property {number} eventsBefore cut only where at least so many published events have passed on this connection;
 *                                 0 aims before the first one
 * @property {number} skip         pass over so many stretches of this place first
 * @property {number} share        in [0, 1): which byte of the stretch
 * @property {'fin'|'reset'} end
 */

/** One connection of the client, from its request to its end. */
export class Passage {
  #client;
  #upstream;
  #plan;
  #skip;
  #inStretch = false;
  #atStart = true;
  #resolveOver;
  #scanner = new Scanner();

  /** Resolves with `{ place, events, end, forwarded }` once it is cut (`events` have passed whole), or with `{ error }` if somebody else ended it. */
  over = new Promise((resolve) => (this.#resolveOver = resolve));
  isOver = false;
  forwarded = 0;

  constructor(client, request, upstreamPort, plan) {
    this.#client = client;
    this.#plan = plan;
    this.#skip = plan?.skip ?? 0;
    this.request = request.toString('latin1');
    this.#upstream = net.connect(upstreamPort, '127.0.0.1');
    this.#upstream.write(request);
    client.on('data', (bytes) => this.#upstream.write(bytes));
    this.#upstream.on('data', (bytes) => this.#forward(bytes));
    this.#upstream.on('error', (error) => this.#finish({ error: `Tidings' side: ${error.message}` }));
    this.#upstream.on('close', () => this.#finish({ error: 'Tidings ended the connection' }));
    client.on('error', (error) => this.#finish({ error: `the client's side: ${error.message}` }));
    client.on('close', () => this.#finish({ error: 'the client ended the connection' }));
  }

  /** Whether the response head has passed whole. */
  get headPassed() {
    return this.#scanner.headPassed;
  }

  /** How many published events have passed whole on this connection. */
  get eventsPassed() {
    return this.outcome?.events ?? this.#scanner.eventsPassed;
  }

  /** Whether Tidings has sent a `tidings.gap`. */
  get gapSeen() {
    return this.#scanner.gapSeen;
  }

  /** Ends it without a plan, as a network that goes away does. */
  drop() {
    this.#finish({ error: 'dropped' });
  }

  #forward(bytes) {
    if (this.isOver) return;
    const cut = this.#advance(bytes);
    const passed = cut === undefined ? bytes : bytes.subarray(0, cut.at);
    this.forwarded += passed.length;
    if (cut === undefined) {
      this.#client.write(passed);
      return;
    }
    // The scanner has gone to the end of these bytes; what the client gets ends here.
    const { place, events } = cut;
    this.#finish({ place, events, end: this.#plan.end, forwarded: this.forwarded }, passed);
  }

  /** Moves the scanner over `bytes`, up to the planned cut if it is among them. */
  #advance(bytes) {
    const positions = this.#atStart ? [this.#position(0)] : [];
    this.#atStart = false;
    for (let i = 0; i < bytes.length; i += 1) {
      this.#scanner.push(bytes[i]);
      positions.push(this.#position(i + 1));
    }
    return this.#plan && this.#choose(positions);
  }

  #position(at) {
    return { at, place: this.#scanner.place, events: this.#scanner.eventsPassed };
  }

  /** The planned stretch is the first that fits after `skip` others; the cut is `share` of its way along. */
  #choose(positions) {
    for (let i = 0; i < positions.length; i += 1) {
      const fits = this.#fits(positions[i]);
      if (fits && !this.#inStretch) {
        if (this.#skip === 0) {
          let end = i;
          while (end < positions.length && this.#fits(positions[end])) end += 1;
          return positions[i + Math.floor(this.#plan.share * (end - i))];
        }
        this.#skip -= 1;
      }
      this.#inStretch = fits;
    }
    return undefined;
  }

  #fits({ place, events }) {
    return place === this.#plan.place && events >= this.#plan.eventsBefore;
  }

  #finish(outcome, lastBytes) {
    if (this.isOver) return;
    this.isOver = true;
    this.outcome = outcome;
    this.#upstream.destroy();
    const end = () => (outcome.end === 'fin' ? this.#client.end() : this.#client.resetAndDestroy());
    if (lastBytes?.length) this.#client.write(lastBytes, end);
    else end();
    this.#resolveOver(outcome);
  }
}

/** One listener, for one client. */
export class Cutter {
  #upstreamPort;
  #server = net.createServer((socket) => this.#accept(socket));
  #sockets = new Set();
  #waiting = []; // clients whose request is here and that no plan has been given yet
  #wanted = []; // plans that no client has come for yet

  constructor(upstreamPort) {
    this.#upstreamPort = upstreamPort;
  }

  static async open(upstreamPort) {
    const cutter = new Cutter(upstreamPort);
    cutter.port = await listen(cutter.#server);
    return cutter;
  }

  /** Connections that have made a request and wait to be let through. */
  get waiting() {
    return this.#waiting.length;
  }

  /** Lets the next connection through under `plan` (`undefined`: uncut); resolves with its Passage once it is there. */
  admit(plan) {
    return new Promise((resolve) => {
      this.#wanted.push({ plan, resolve });
      this.#match();
    });
  }

  close() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(socket) {
    this.#sockets.add(socket);
    socket.setNoDelay(true);
    // A client may give up while it waits; what it does once it is let through is the Passage's to say.
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#waiting = this.#waiting.filter((each) => each.socket !== socket);
    });
    socket.once('data', (request) => {
      socket.pause();
      this.#waiting.push({ socket, request });
      this.#match();
    });
  }

  #match() {
    while (this.#waiting.length > 0 && this.#wanted.length > 0) {
      const { socket, request } = this.#waiting.shift();
      const { plan, resolve } = this.#wanted.shift();
      const passage = new Passage(socket, request, this.#upstreamPort, plan);
      socket.resume();
      resolve(passage);
    }
  }
}
