// A segment's header, as docs/internals/log-format.md draws it: so much of it as a test changes.

import { open, readdir } from 'node:fs/promises';
import path from 'node:path';

/** Where its two copies stand. */
const COPIES = [0, 4096];

const MAGIC = Buffer.from('TIDINGS\0', 'latin1');
const FORMAT_AT = 8;
/** The checksum is the last that stands in a header, and is of all bytes before it. */
const CHECKSUM_AT = 80;

/** CRC32C's polynomial, its bits in reverse; Node has only the other CRC32. */
const POLYNOMIAL = 0x82f63b78;

/** Writes into the newest begun segment below `dataDir` that it is of the format after the one it has; answers with that format. */
export async function raiseFormat(dataDir) {
  const names = (await readdir(dataDir, { recursive: true })).filter((name) => name.endsWith('.log')).sort();
  for (const name of names.reverse()) {
    const file = await open(path.join(dataDir, name), 'r+');
    try {
      const header = Buffer.alloc(CHECKSUM_AT + 4);
      await file.read(header, 0, header.length, COPIES[0]);
      // A spare is no segment yet.
      if (!header.subarray(0, MAGIC.length).equals(MAGIC)) continue;
      if (header.readUInt32LE(CHECKSUM_AT) !== crc32c(header.subarray(0, CHECKSUM_AT))) throw new Error(`${name}: the checksum is elsewhere`);
      const format = header.readUInt16LE(FORMAT_AT) + 1;
      header.writeUInt16LE(format, FORMAT_AT);
      header.writeUInt32LE(crc32c(header.subarray(0, CHECKSUM_AT)), CHECKSUM_AT);
      for (const copy of COPIES) await file.write(header, 0, header.length, copy);
      return format;
    } finally {
      await file.close();
    }
  }
  throw new Error(`no segment in ${dataDir}`);
}

function crc32c(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  }
  return ~crc >>> 0;
}
