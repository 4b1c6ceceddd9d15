// What the kernel was asked for, in the order it was asked: the calls that strace wrote down.

import { readFile } from 'node:fs/promises';

/** Enough of a write to find a topic in it, behind the two headers of a segment's first batch. */
const STRING_BYTES = 1 << 14;

/**
 * The words before a command that trace it and its threads into `file`. It is started under strace, and not found by its
 * pid later: many machines let a program trace its children only.
 */
export function tracing(file, calls) {
  return ['strace', '-D', '-f', '-q', '-yy', '-s', String(STRING_BYTES), '-o', file, '-e', `trace=${calls.join(',')}`];
}

/** The words before a command in which, in each thread, the sync of a file's data with this number fails, as on a disk that dies. */
export function failingSync(file, number) {
  return ['strace', '-D', '-f', '-q', '-o', file, '-e', 'trace=fdatasync', '-e', `inject=fdatasync:error=EIO:when=${number}`];
}

/** Every call in `file`, in the order of their beginnings: see `parse`. */
export async function callsIn(file) {
  return parse(await readFile(file, 'latin1'));
}

/**
 * `{ name, target, text, result, begun, done }`: `target` is what the first descriptor stands for, `text` everything
 * between the parentheses, `begun` and `done` places in the one order of all beginnings and ends.
 */
export function parse(trace) {
  const calls = [];
  const open = new Map();
  for (const [place, line] of trace.split('\n').entries()) {
    const whole = line.match(/^(\d+) +(\w+)\((.*)\) += (-?\d+)/);
    const begun = line.match(/^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/);
    const resumed = line.match(/^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)/);
    if (whole) calls.push(call(whole[2], whole[3], Number(whole[4]), place, place));
    else if (begun) open.set(begun[1], { name: begun[2], text: begun[3], place });
    else if (resumed && open.has(resumed[1])) {
      const { name, text, place: start } = open.get(resumed[1]);
      open.delete(resumed[1]);
      calls.push(call(name, text + resumed[3], Number(resumed[4]), start, place));
    }
  }
  return calls.sort((a, b) => a.begun - b.begun);
}

function call(name, text, result, begun, done) {
  return { name, text, result, begun, done, target: text.match(/^\d+<(.*?)>(?:,|$)/)?.[1] ?? '' };
}

/** Calls that put bytes into a file, and calls that put them on a socket. */
const RECORD = new Set(['pwrite64', 'pwritev', 'pwritev2', 'write', 'writev']);
const ANSWER = new Set(['write', 'writev', 'sendto', 'sendmsg']);

/**
 * The way of the event whose topic is `marker`: the write of its record to a segment, the syncs of that segment that began
 * behind it and succeeded before the answer began, and the write of the answer to a socket. What is not there is undefined.
 */
export function wayOf(marker, calls) {
  const record = calls.find(({ name, target, text }) => RECORD.has(name) && target.endsWith('.log') && text.includes(marker));
  const answer = calls.find(({ name, target, text }) => ANSWER.has(name) && target.startsWith('TCP') && text.includes(marker));
  const isBetween = ({ begun, done }) => record && answer && begun > record.done && done < answer.begun;
  const syncs = calls.filter((each) => isSync(each) && each.target === record?.target && isBetween(each));
  return { record, syncs, answer };
}

/** A sync of a segment that succeeded. */
export function isSync({ name, target, result }) {
  return (name === 'fdatasync' || name === 'fsync') && target.endsWith('.log') && result === 0;
}
