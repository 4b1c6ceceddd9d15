// A directory that is gone after the test.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';

export async function temporaryDirectory() {
  const directory = await mkdtemp(path.join(tmpdir(), 'tidings-e2e-'));
  return { path: directory, remove: () => rm(directory, { recursive: true, force: true }) };
}
