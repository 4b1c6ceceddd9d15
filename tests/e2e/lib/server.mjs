// The real release binary, as a newcomer starts it, on ports of its own.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from './ports.mjs';
import { until, within } from './until.mjs';

const DEFAULT_BINARY = fileURLToPath(new URL('../../../target/release/tidings', import.meta.url));

/** The binary under test. */
export const BINARY = path.resolve(process.env.TIDINGS_BIN ?? DEFAULT_BINARY);

/** A start builds tables and binds ports, nothing more; ten seconds is a broken one even on a busy machine. */
const READY_MS = 10_000;

/** An end drains its streams first. */
const STOP_MS = 30_000;

/** At a start this line comes last, but for notes on what is not as usual. */
const SAID_LAST = 'events are kept in memory';

/** One run of the binary: its output as it comes, and how it ended. */
export class Run {
  #child;
  stdout = '';
  stderr = '';
  ended;

  /** `input` is its whole standard input. */
  constructor(args, cwd, input) {
    // An operator's settings must not reach the server under test.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TIDINGS_')));
    this.#child = spawn(BINARY, args, { cwd, env, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
    for (const name of ['stdout', 'stderr']) {
      this.#child[name].setEncoding('utf8').on('data', (text) => (this[name] += text));
    }
    if (input !== undefined) {
      // A program that refuses its input closes it early: how it ended says why.
      this.#child.stdin.on('error', () => {});
      this.#child.stdin.end(input);
    }
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code, signal) => resolve({ code, signal }));
    });
    // Whoever awaits `ended` gets the error; nobody awaiting it must not end the test process.
    this.ended.catch(() => {});
  }

  /** All that it said. */
  get output() {
    return this.stdout + this.stderr;
  }

  get pid() {
    return this.#child.pid;
  }

  get running() {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.pid !== undefined;
  }

  /** Sends `signal` to this very process and waits for its end. */
  async stop(signal = 'SIGTERM') {
    if (this.running) process.kill(this.pid, signal);
    try {
      return await within(() => `the end after ${signal}; it said:\n${this.output}`, this.ended, STOP_MS);
    } catch (error) {
      if (this.running) process.kill(this.pid, 'SIGKILL');
      throw error;
    }
  }
}

/** A server that can be stopped and started again on the same ports. */
export class Server {
  #args;
  #cwd;
  run;

  constructor({ port, adminPort, args, cwd }) {
    this.port = port;
    this.adminPort = adminPort;
    this.#args = args;
    this.#cwd = cwd;
  }

  /** Free ports, no demo. `extraArgs` are appended. */
  static async start(extraArgs = []) {
    const [port, adminPort] = [await freePort(), await freePort()];
    const args = ['serve', '--no-demo', '--listen', `127.0.0.1:${port}`, '--admin-listen', `127.0.0.1:${adminPort}`];
    return Server.#begin(port, adminPort, [...args, ...extraArgs]);
  }

  /** No configuration at all: ports 3200, 3201 and the page on 5500, as the README says. */
  static async startPlain() {
    const server = await Server.#begin(3200, 3201, ['serve']);
    if (!server.run.stdout.includes('http://127.0.0.1:5500/')) {
      await server.close();
      throw new Error(`another program has port 5500, which this test needs:\n${server.run.output}`);
    }
    return server;
  }

  static async #begin(port, adminPort, args) {
    const cwd = await mkdtemp(path.join(tmpdir(), 'tidings-e2e-'));
    const server = new Server({ port, adminPort, args, cwd });
    try {
      await server.startAgain();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  /** The address of the public listener, without a slash at the end. */
  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  get adminUrl() {
    return `http://127.0.0.1:${this.adminPort}`;
  }

  /** Starts the binary and waits until it says that it is ready. */
  async startAgain() {
    const run = new Run(this.#args, this.#cwd);
    this.run = run;
    await until(
      () => `${BINARY} to be ready; it said:\n${run.output}`,
      async () => {
        if (!run.running) {
          const { code, signal } = await run.ended;
          throw new Error(`${BINARY} ended at once (code ${code}, signal ${signal}):\n${run.output}`);
        }
        const isReady = await fetch(`${this.adminUrl}/readyz`).then((answer) => answer.ok, () => false);
        // It answers before it has said all that it says at its start.
        return isReady && run.stdout.includes(SAID_LAST);
      },
      READY_MS,
    );
  }

  stop(signal) {
    return this.run.stop(signal);
  }

  /** Stops it if it runs, and removes its directory. */
  async close() {
    if (this.run?.running) await this.run.stop();
    await rm(this.#cwd, { recursive: true, force: true });
  }

  /** The text of /metrics as a map from `name{labels}` to number. */
  async metrics() {
    const text = await (await fetch(`${this.adminUrl}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
  }

  /** One metric; one that never counted is 0 (labels appear with their first count). */
  async metric(name) {
    return (await this.metrics()).get(name) ?? 0;
  }
}
