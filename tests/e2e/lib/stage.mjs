// What most tests of pages stand on: one server and one browser for all tests of a file.

import { after, before } from 'node:test';

import { launch } from './chromium.mjs';
import { Server } from './server.mjs';

/** Both, started before the first test and closed after the last: `stage.server`, `stage.browser`. */
export function serverAndBrowser() {
  const stage = {};
  before(async () => {
    [stage.server, stage.browser] = await Promise.all([Server.start(), launch()]);
  });
  after(async () => {
    await stage.browser?.close();
    await stage.server?.close();
  });
  return stage;
}
