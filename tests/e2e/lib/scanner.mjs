// Knows, byte by byte, where in an event stream over HTTP/1.1 a connection stands: just enough to say what a cut hits.

/** The places of a cut: what has been begun and is not whole when not one byte more is forwarded. */
export const PLACES = ['head', 'chunk header', 'id', 'data', 'between', 'other'];

const CR = 13;
const LF = 10;

/**
 * - `head`: the response head, from before its first byte to before its last.
 * - `chunk header`: a chunk's size line, begun and not whole; or the end of a chunk that ends inside an event.
 * - `id`, `data`: inside a line of that name, or behind it where the block's next line has not begun.
 * - `between`: all events whole and none begun.
 * - `other`: inside an `event:` or `retry:` line or a comment.
 */
export class Scanner {
  #stage = 'head'; // head, size, payload, chunk end
  #head = '';
  #chunked = false;
  #size = '';
  #left = 0;
  #line = '';
  #atLineStart = true;
  #block = 'none'; // the name of the newest line of the block under way
  #blockHasData = false;
  #blockIsControl = false;

  /** How many published events have passed whole; control events do not count. */
  eventsPassed = 0;
  /** Whether a `tidings.gap` has passed. */
  gapSeen = false;
  /** Whether the response head has passed whole. */
  get headPassed() {
    return this.#stage !== 'head';
  }

  /** Where a cut at this very point would be. */
  get place() {
    if (this.#stage === 'head') return 'head';
    if (this.#stage === 'size' && this.#size !== '') return 'chunk header';
    if (this.#block === 'none') return 'between';
    if (this.#stage !== 'payload') return 'chunk header';
    return this.#block;
  }

  /** Takes one byte. */
  push(byte) {
    if (this.#stage === 'head') this.#pushHead(byte);
    else if (this.#stage === 'size') this.#pushSize(byte);
    else if (this.#stage === 'chunk end') this.#stage = byte === LF ? 'size' : 'chunk end';
    else this.#pushPayload(byte);
  }

  #pushHead(byte) {
    this.#head += String.fromCharCode(byte);
    if (!this.#head.endsWith('\r\n\r\n')) return;
    this.#chunked = /\r\ntransfer-encoding:[^\r]*chunked/i.test(this.#head);
    this.#stage = this.#chunked ? 'size' : 'payload';
  }

  #pushSize(byte) {
    this.#size += String.fromCharCode(byte);
    if (byte !== LF) return;
    this.#left = Number.parseInt(this.#size, 16);
    this.#size = '';
    this.#stage = 'payload';
  }

  #pushPayload(byte) {
    this.#pushLine(byte);
    if (!this.#chunked) return;
    this.#left -= 1;
    if (this.#left === 0) this.#stage = 'chunk end';
  }

  #pushLine(byte) {
    if (byte === CR) return; // Tidings ends lines with LF; a CR before it changes no place
    if (byte === LF) {
      if (this.#line === '') this.#endBlock();
      else this.#endLine();
      this.#line = '';
      this.#atLineStart = true;
      return;
    }
    if (this.#atLineStart) this.#block = { i: 'id', d: 'data' }[String.fromCharCode(byte)] ?? 'other';
    this.#atLineStart = false;
    // Longer than every line that is looked at; data may be long and is not kept.
    if (this.#line.length < 64) this.#line += String.fromCharCode(byte);
  }

  #endLine() {
    if (this.#line.startsWith('data')) this.#blockHasData = true;
    if (this.#line.startsWith('event: tidings.')) this.#blockIsControl = true;
    if (this.#line === 'event: tidings.gap') this.gapSeen = true;
  }

  #endBlock() {
    if (this.#blockHasData && !this.#blockIsControl) this.eventsPassed += 1;
    this.#block = 'none';
    this.#blockHasData = false;
    this.#blockIsControl = false;
  }
}
