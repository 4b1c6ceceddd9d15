// A client in a process of its own that prints each event it receives as one line of JSON: `{"id","type","data"}`.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('..', import.meta.url));

/** The Python that has requirements.txt installed. */
export const PYTHON = process.env.TIDINGS_E2E_PYTHON ?? `${HERE}.venv/bin/python`;

/** The Node that runs this test runs the Node clients. */
export const NODE = process.execPath;

export class LineClient {
  #child;
  #rest = '';
  #parse;
  /** Everything received, as received. */
  events = [];
  errors = '';

  constructor(command, args, parse = JSON.parse) {
    this.#parse = parse;
    // A process group of its own: the shell loop has a curl below it, which must end with it.
    this.#child = spawn(command, args, { cwd: HERE, detached: true, stdio: 'pipe' });
    this.#child.on('error', (error) => (this.errors += error.message));
    this.#child.stderr.setEncoding('utf8').on('data', (text) => (this.errors += text));
    this.#child.stdout.setEncoding('utf8').on('data', (text) => this.#take(text));
    this.#child.on('close', (code, signal) => (this.ended = { code, signal }));
  }

  async received() {
    if (this.ended) throw new Error(`the client ended (${JSON.stringify(this.ended)}): ${this.errors}`);
    return this.events;
  }

  /** Gives the client a line on its standard input. */
  say(line) {
    this.#child.stdin.write(`${line}\n`);
  }

  async close() {
    if (!this.ended && this.#child.pid) process.kill(-this.#child.pid, 'SIGTERM');
  }

  #take(text) {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop();
    for (const line of lines) this.events.push(this.#parse(line));
  }
}
