// What was acknowledged, and what is wrong with a list of what somebody saw.

/** How many of a kind a complaint names; the rest is a number. */
const NAMED = 3;

/** The number in an id: its order. */
export function seqOf(id) {
  return Number(id.slice(id.lastIndexOf('.') + 1));
}

/** The history an id is of. */
export function epochOf(id) {
  return id.slice(0, id.lastIndexOf('.'));
}

/** Every acknowledged event: `{ id, topics, type, data }`, where no two have the same data. */
export class Ledger {
  #events = [];

  acknowledge(event) {
    this.#events.push(event);
  }

  get count() {
    return this.#events.length;
  }

  /** The events one of whose topics `matches` takes, in the order of their ids. */
  expected(matches = () => true) {
    return this.#events.filter(({ topics }) => topics.some(matches)).sort((a, b) => seqOf(a.id) - seqOf(b.id));
  }
}

/**
 * What is wrong with `seen` beside `expected`, both lists of `{ id, type, data }` and `expected` in order: sentences, none
 * when `seen` is it to the letter.
 */
export function differences(expected, seen) {
  const wanted = new Map(expected.map((event) => [event.data, event]));
  const met = new Set();
  const found = { missing: [], doubled: [], 'never acknowledged': [], 'other id or type': [], 'out of order': [] };
  for (const [i, event] of seen.entries()) {
    const want = wanted.get(event.data);
    if (!want) found['never acknowledged'].push(event);
    else if (met.has(event.data)) found.doubled.push(event);
    else if (want.id !== event.id || want.type !== event.type) found['other id or type'].push(event);
    if (i > 0 && seqOf(seen[i - 1].id) >= seqOf(event.id)) found['out of order'].push(event);
    met.add(event.data);
  }
  found.missing = expected.filter((event) => !met.has(event.data));
  const kinds = Object.entries(found).filter(([, events]) => events.length > 0);
  return kinds.map(([kind, events]) => `${events.length} ${kind}: ${events.slice(0, NAMED).map(named).join(', ')}`);
}

function named({ id, type, data }) {
  return `${id} ${type} ${JSON.stringify(data.slice(0, 60))}`;
}
