// One run of the release binary, whatever the verb: its output as it comes, and how it ended.

import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { within } from './until.mjs';

const DEFAULT_BINARY = fileURLToPath(new URL('../../../target/release/tidings', import.meta.url));

/** The binary under test. */
export const BINARY = path.resolve(process.env.TIDINGS_BIN ?? DEFAULT_BINARY);

/** An end drains its streams first. */
const STOP_MS = 30_000;

/** The longest a verb that ends by itself takes: it reads or writes every event of a test. */
const VERB_MS = 60_000;

export class Run {
  #child;
  stdout = '';
  stderr = '';
  ended;

  /** `input` is its whole standard input; `wrapper` stands before the binary on the command line. */
  constructor(args, cwd, { input, wrapper = [] } = {}) {
    // An operator's settings must not reach the server under test.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('TIDINGS_')));
    const [command, ...words] = [...wrapper, BINARY, ...args];
    this.#child = spawn(command, words, { cwd, env, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
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

/** Runs `tidings` with `args` to its end; `input` is its whole standard input. */
export async function tidings(args, cwd, input) {
  const run = new Run(args, cwd, { input });
  try {
    const { code } = await within(() => `tidings ${args.join(' ')}; it said:\n${run.output}`, run.ended, VERB_MS);
    return { code, stdout: run.stdout, stderr: run.stderr };
  } finally {
    await run.stop('SIGKILL');
  }
}
