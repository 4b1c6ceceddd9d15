// The shell loop of docs/guides/curl-resume.md as a client: the very text a reader copies.

import { writeFile } from 'node:fs/promises';
import path from 'node:path';

import { scriptFrom } from './doc-script.mjs';
import { LineClient } from './line-client.mjs';

/** Listens to `url`; the script is written into `directory`. */
export async function shellClient(directory, url) {
  const script = path.join(directory, 'resume.sh');
  await writeFile(script, await scriptFrom('docs/guides/curl-resume.md', 'bash'));
  return new LineClient('bash', [script, url], parseLine);
}

/** `id TAB type TAB data`, newlines in the data as `\n` (the published data has no backslash and no TAB). */
function parseLine(line) {
  const [id, type, data] = line.split('\t');
  return { id, type, data: data.replaceAll('\\n', '\n') };
}
