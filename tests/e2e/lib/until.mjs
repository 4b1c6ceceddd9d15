// Waiting for a condition under a deadline. No test here sleeps to let something "probably" happen.

/** How often a condition that nothing announces is looked at. Short beside every deadline, long beside a look. */
const LOOK_EVERY_MS = 10;

/**
 * Resolves with the first truthy answer of `condition` (which may be async); rejects after `deadlineMs` with a sentence
 * that says what was waited for. `what` may be a function, for figures of the moment of failure.
 */
export async function until(what, condition, deadlineMs = 10_000) {
  const end = performance.now() + deadlineMs;
  for (;;) {
    const answer = await condition();
    if (answer) return answer;
    if (performance.now() > end) throw inVain(what, deadlineMs);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** `promise`, or a rejection after `deadlineMs`: for things that announce themselves. */
export async function within(what, promise, deadlineMs = 10_000) {
  let timer;
  const deadline = new Promise((_, reject) => {
    timer = setTimeout(() => reject(inVain(what, deadlineMs)), deadlineMs);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function inVain(what, deadlineMs) {
  return new Error(`waited ${deadlineMs} ms in vain for ${typeof what === 'function' ? what() : what}`);
}
