// The real release binary, as a newcomer starts it, on ports and in a directory of its own.

import path from 'node:path';

import { freePort } from './ports.mjs';
import { BINARY, Run } from './run.mjs';
import { temporaryDirectory } from './temporary.mjs';
import { until } from './until.mjs';

/** A start reads the tail of a log, makes a spare segment and binds ports; ten seconds is a broken one even on a busy machine. */
const READY_MS = 10_000;

/** The folder of the data in the working directory, unless it is given: the one that `tidings serve` takes by itself. */
const DATA = 'tidings-data';

/** At a start what was found comes last, but for what is not as usual. */
const SAID_LAST = /^log .*\n/m;

/** A server that can be stopped and started again: on the same ports, with the same data. */
export class Server {
  #args;
  #directory;
  #wrapper;
  run;
  /** Everything that all its runs have said. */
  #saidBefore = '';

  constructor({ port, adminPort, args, directory, dataDir, wrapper }) {
    this.port = port;
    this.adminPort = adminPort;
    this.dataDir = dataDir;
    this.#args = args;
    this.#directory = directory;
    this.#wrapper = wrapper;
  }

  /**
   * Free ports, no demo, an empty data directory that goes with the server. `extraArgs` are appended. Options: `dataDir`,
   * a directory that stays; `wrapper`, words that stand before the binary's own.
   */
  static async start(extraArgs = [], options = {}) {
    const [port, adminPort] = [await freePort(), await freePort()];
    const args = ['serve', '--no-demo', '--listen', `127.0.0.1:${port}`, '--admin-listen', `127.0.0.1:${adminPort}`];
    return Server.#begin(port, adminPort, [...args, ...extraArgs], options);
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

  static async #begin(port, adminPort, args, { dataDir, wrapper } = {}) {
    const directory = await temporaryDirectory();
    const all = dataDir === undefined ? args : [...args, '--data-dir', dataDir];
    const own = path.join(directory.path, DATA);
    const server = new Server({ port, adminPort, args: all, directory, dataDir: dataDir ?? own, wrapper });
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

  /** Everything that all its runs have said. */
  get said() {
    return this.#saidBefore + (this.run?.output ?? '');
  }

  /** Starts the binary and waits until it says that it is ready. */
  async startAgain() {
    this.launch();
    await this.ready();
  }

  /** Starts the binary, and waits for nothing. */
  launch() {
    this.#saidBefore = this.said;
    this.run = new Run(this.#args, this.#directory.path, { wrapper: this.#wrapper });
  }

  /** Waits until the binary that was started says that it is ready. */
  async ready() {
    const { run } = this;
    await until(
      () => `${BINARY} to be ready; it said:\n${run.output}`,
      async () => {
        if (!run.running) {
          const { code, signal } = await run.ended;
          throw new Error(`${BINARY} ended at once (code ${code}, signal ${signal}):\n${run.output}`);
        }
        const isReady = await fetch(`${this.adminUrl}/readyz`).then((answer) => answer.ok, () => false);
        // It answers before it has said all that it says at its start.
        return isReady && SAID_LAST.test(run.stdout);
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
    await this.#directory.remove();
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
