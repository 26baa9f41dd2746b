import { openSync, writeSync } from "node:fs";

/** What processes note of unique messages, each a line of one file that all append to. */
export type ClaimEntry =
  /** A `send` has resolved: of a message that was stored, or of one whose key `holder` has. */
  | { what: "stored" | "duplicate"; id: string; key: number }
  /** The last run of a message has come to its end: it returns, or fails for good. */
  | { what: "ended"; id: string; key: number };

/** Appends entries to a file. A SIGKILL cannot take back what was written. */
export class ClaimJournal {
  readonly #file: number;

  /** @param path The file; it is created. */
  constructor(path: string) {
    this.#file = openSync(path, "a");
  }

  /** Adds an entry, in one write. */
  write({ what, id, key }: ClaimEntry): void {
    writeSync(this.#file, `${what} ${id} ${key}\n`);
  }
}

/** Verdict on a journal. */
export interface ClaimVerdict {
  readonly stored: number;
  readonly duplicates: number;
  /** Messages that were stored and have not come to an end. */
  readonly lost: readonly string[];
  /** Messages that were stored while another one of their key lived. */
  readonly doubled: readonly string[];
  /** Holders that were never stored under that key. */
  readonly strangers: readonly string[];
}

/**
 * Judges a journal: a message that has ended is written down before it is acknowledged, and one that
 * is stored after that, so entries of a key are in their order.
 *
 * @param text The journal.
 * @returns What is wrong.
 */
export function judgeClaims(text: string): ClaimVerdict {
  const living = new Map<string, string>();
  const keys = new Map<string, string>();
  const ended = new Set<string>();
  const holders: [id: string, key: string][] = [];
  const doubled: string[] = [];
  for (const line of text.split("\n")) {
    const [what, id = "", key = ""] = line.split(" ");
    if (what === "ended") ended.add(id);
    if (what === "duplicate") holders.push([id, key]);
    if (what !== "stored") continue;
    const before = living.get(key);
    if (before !== undefined && !ended.has(before)) doubled.push(id);
    living.set(key, id);
    keys.set(id, key);
  }
  return {
    stored: keys.size,
    duplicates: holders.length,
    lost: [...keys.keys()].filter((id) => !ended.has(id)),
    doubled,
    strangers: holders.filter(([id, key]) => keys.get(id) !== key).map(([id]) => id),
  };
}
