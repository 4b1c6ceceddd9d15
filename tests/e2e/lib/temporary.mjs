// A directory that is gone after the test.

import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';

/**
 * Where such directories lie. Not /tmp, which is memory on many machines: a sync there says nothing, and a server that
 * fills its spare segments takes everybody's memory.
 */
const ON_DISK = '/var/tmp';

export async function temporaryDirectory() {
  const directory = await mkdtemp(path.join(ON_DISK, 'tidings-e2e-'));
  return { path: directory, remove: () => rm(directory, { recursive: true, force: true }) };
}
