// Seeded randomness: a run that failed is repeated by its seed.

/** The seed of this run: `SEED` from the environment, or a fresh one. Print it, always. */
export function seedOfRun() {
  const given = process.env.SEED;
  if (given === undefined) return (Math.random() * 2 ** 32) >>> 0;
  const seed = Number(given);
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) throw new Error(`SEED must be a whole number below 2^32, got ${given}`);
  return seed;
}

/** A small generator (mulberry32): 32 bits of state are plenty to choose where to cut. */
export class Rng {
  #state;

  constructor(seed) {
    this.#state = seed >>> 0;
  }

  /** A generator of its own for `name`, so that one client's draws never shift another's. */
  static named(seed, name) {
    let hash = 2166136261; // FNV-1a
    for (const byte of Buffer.from(name)) hash = Math.imul(hash ^ byte, 16777619);
    return new Rng((seed ^ hash) >>> 0);
  }

  /** A number in [0, 1). */
  float() {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number in [0, bound). */
  below(bound) {
    return Math.floor(this.float() * bound);
  }

  /** A whole number in [low, high], both possible. */
  between(low, high) {
    return low + this.below(high - low + 1);
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  shuffle(list) {
    for (let i = list.length - 1; i > 0; i -= 1) {
      const j = this.below(i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  }
}
