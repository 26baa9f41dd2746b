import { Buffer } from "node:buffer";
import { open } from "node:fs/promises";

/** Bytes read at once: files may be larger than memory. */
const CHUNK_SIZE = 64 * 1_024;
/** Bytes searched for a NUL byte. Text has none, and other files rarely do without. */
const HEAD_SIZE = 8 * 1_024;

/** A file that no further attempt can read: it is gone, or we may not. */
export class UnreadableFile extends Error {
  override readonly name = "UnreadableFile";
}

/** A file that is no text. */
export class BinaryFile extends Error {
  override readonly name = "BinaryFile";
}

/**
 * Reads a text file piece by piece. A piece never ends within a character. It ends with
 * white space, unless it is the last one or there is none in all of it.
 *
 * @param path The file.
 * @throws {BinaryFile} If it is binary.
 * @throws {UnreadableFile} If it cannot be read.
 */
export async function* readPieces(path: string): AsyncGenerator<Uint8Array> {
  let isHead = true;
  let rest: Uint8Array = new Uint8Array();
  for await (const chunk of readChunks(path)) {
    if (isHead && chunk.subarray(0, HEAD_SIZE).includes(0)) {
      throw new BinaryFile(`File "${path}" is binary`);
    }
    isHead = false;
    const read = Buffer.concat([rest, chunk]);
    const end = endOfPiece(read);
    if (end > 0) yield read.subarray(0, end);
    rest = read.subarray(end);
  }
  if (rest.length > 0) yield rest;
}

/** Reads a file. The next chunk overwrites the one before it. */
async function* readChunks(path: string): AsyncGenerator<Uint8Array> {
  try {
    const file = await open(path);
    try {
      const buffer = Buffer.alloc(CHUNK_SIZE);
      while (true) {
        const { bytesRead } = await file.read(buffer, 0, CHUNK_SIZE, null);
        if (bytesRead === 0) return;
        yield buffer.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new UnreadableFile(`Cannot read file "${path}": ${reasonOf(error)}`, { cause: error });
  }
}

/** Position at which a piece may end; 0 to read on. */
function endOfPiece(bytes: Uint8Array): number {
  const blank = bytes.findLastIndex(isBlank);
  if (blank !== -1 || bytes.length < CHUNK_SIZE) return blank + 1;
  // Data on a single line. To wait for its end could take all memory there is.
  const character = bytes.findLastIndex(isStartOfCharacter);
  return character > 0 ? character : bytes.length;
}

/** White space of ASCII: in UTF-8 these bytes are never a part of another character. */
function isBlank(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

function isStartOfCharacter(byte: number): boolean {
  return (byte & 0xc0) !== 0x80;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "it does not exist",
  ENOTDIR: "it is not a folder",
  EACCES: "permission denied",
  EPERM: "permission denied",
};

/** Why the file system refused, in words. */
export function reasonOf(error: unknown): string {
  const { code = "", message } = error as NodeJS.ErrnoException;
  return REASONS[code] ?? message;
}
