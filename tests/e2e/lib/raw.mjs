// One HTTP request as bytes on a socket, for what no well-behaved client would send.

import net from 'node:net';

import { within } from './until.mjs';

/** An answer that is not whole by then never comes. */
const ANSWER_MS = 10_000;

/**
 * Sends `head` (lines without their ends; `Host` and `Connection: close` are added) and `body`, and answers with
 * `{ status, headers, body }` once the server has closed. Strings are sent as Latin-1: `\xff` is the byte 0xFF.
 */
export async function rawRequest(port, head, body = '') {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body, 'latin1');
  const lines = [...head, 'Host: localhost', 'Connection: close', '', ''];
  const answer = await within(`an answer to ${head[0].slice(0, 80)}`, exchange(port, [Buffer.from(lines.join('\r\n'), 'latin1'), bytes]), ANSWER_MS);
  return parseAnswer(answer);
}

/** The same with a `Content-Length` of its own. */
export function rawPost(port, target, headers, body) {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body, 'latin1');
  return rawRequest(port, [`POST ${target} HTTP/1.1`, `Content-Length: ${bytes.length}`, ...headers], bytes);
}

/** The head of an answer and the start of its body, from a connection that stays open. */
export async function rawStream(port, head, bodyBytes) {
  const socket = net.connect(port, '127.0.0.1');
  const enough = new Promise((resolve, reject) => {
    let text = '';
    socket.on('error', reject);
    socket.on('data', (bytes) => {
      text += bytes.toString('utf8');
      const headEnd = text.indexOf('\r\n\r\n');
      if (headEnd >= 0 && text.length - headEnd - 4 >= bodyBytes) resolve(text);
    });
    socket.on('close', () => reject(new Error(`the server closed after:\n${text}`)));
  });
  socket.write(Buffer.from([...head, '', ''].join('\r\n'), 'latin1'));
  return { socket, text: await within('the start of a stream', enough, ANSWER_MS) };
}

/** The head of an answer as `{ status, reason, headers: [name, value][] }`, names as they were sent. */
export function parseHead(text) {
  const [first, ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  const [, status, reason] = first.match(/^HTTP\/1\.1 (\d+) ?(.*)$/);
  const headers = lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]);
  return { status: Number(status), reason, headers };
}

function exchange(port, pieces) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    const answer = [];
    socket.on('data', (bytes) => answer.push(bytes));
    // A server that refuses a large body by its head may reset what is still on its way; its answer is here by then.
    socket.on('error', (error) => (answer.length > 0 ? resolve(Buffer.concat(answer)) : reject(error)));
    socket.on('end', () => resolve(Buffer.concat(answer)));
    for (const piece of pieces) socket.write(piece);
  });
}

function parseAnswer(bytes) {
  const text = bytes.toString('utf8');
  if (!text.includes('\r\n\r\n')) throw new Error(`not an answer: ${JSON.stringify(text)}`);
  const { status, headers } = parseHead(text);
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  return { status, headers: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])), body };
}
