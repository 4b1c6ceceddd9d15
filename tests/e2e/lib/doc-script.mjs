// Scripts that live in the documentation and nowhere else: what is tested is the very text a reader copies.

import { readFile } from 'node:fs/promises';

/** The first block of `language` in the Markdown file at `docPath` (from the root of the repository). */
export async function scriptFrom(docPath, language) {
  const text = await readFile(new URL(`../../../${docPath}`, import.meta.url), 'utf8');
  const found = text.match(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'm'));
  if (!found) throw new Error(`${docPath} has no block of ${language}`);
  return found[1];
}
