// A hundred cuts for one client, drawn from a seed so that no place is left out.

import { PLACES } from './scanner.mjs';

/** Cuts a client. */
export const CUTS = 100;

/**
 * Of each place but the head (which always is), so many cuts aim before the first event: with the 16 heads, over 30. Of
 * fewer cuts, half.
 */
const EARLY_PER_PLACE = 4;

const EARLY = { live: false, eventsBefore: 0 };

/** `headsByReset`: a FIN inside the head ends Chromium's EventSource for good, so there its heads end by reset. */
export function plansFor(rng, { headsByReset = false, cuts = CUTS } = {}) {
  const plans = [];
  const earlyCuts = Math.min(EARLY_PER_PLACE * PLACES.length, cuts / 2);
  for (let i = 0; i < cuts; i += 1) {
    const place = PLACES[i % PLACES.length];
    const early = place === 'head' || i < earlyCuts;
    plans.push({ place, ...(early ? EARLY : later(rng)), skip: place === 'head' ? 0 : rng.below(2), share: rng.float() });
  }
  rng.shuffle(plans);
  giveEnds(rng, plans, headsByReset);
  // The very first connection is cut before its first event: it has no id yet and returns with its `since`.
  const first = plans.findIndex((plan) => plan.eventsBefore === 0);
  [plans[0], plans[first]] = [plans[first], plans[0]];
  return plans;
}

/** Behind one to three events: of those it missed, or of those published while it listens. */
function later(rng) {
  return { live: rng.below(2) === 0, eventsBefore: rng.between(1, 3) };
}

/** Half of the cuts end by FIN, half by reset. */
function giveEnds(rng, plans, headsByReset) {
  const free = rng.shuffle(plans.filter((plan) => !(headsByReset && plan.place === 'head')));
  for (const plan of plans) plan.end = 'reset';
  for (const plan of free.slice(0, plans.length / 2)) plan.end = 'fin';
}
