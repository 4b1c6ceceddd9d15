// Real Chromium, Debian's own, driven by playwright-core.

import { chromium } from 'playwright-core';

/** Debian's path; another machine names its own. */
const EXECUTABLE = process.env.TIDINGS_CHROMIUM ?? '/usr/bin/chromium';

/** Nothing but the page under test may touch the network, and no sandbox is needed inside a build machine. */
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A browser; the caller closes it. `extraArgs` are appended, for instance `--host-resolver-rules=…`. */
export function launch(extraArgs = []) {
  return chromium.launch({ executablePath: EXECUTABLE, args: [...ARGS, ...extraArgs] });
}

/** Every CDP event `name` of `page`, in order, in the array that is returned at once and grows. */
export async function cdpEvents(page, domain, name) {
  const session = await page.context().newCDPSession(page);
  const seen = [];
  session.on(`${domain}.${name}`, (params) => seen.push(params));
  await session.send(`${domain}.enable`);
  return seen;
}
