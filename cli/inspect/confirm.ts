import { hostname, userInfo } from "node:os";
import { escapeText } from "../../platform/escape.ts";
import type { Console } from "../console.ts";
import { UsageError } from "../usage_error.ts";

/** Number of messages beyond which the name of the queue is to be typed. */
const MANY = 1_000;

/** A change that a person is to confirm. */
export interface Confirmation {
  /** The change: `drop 812 messages of default`. */
  readonly what: string;
  /** Names to type, of a change that cannot be undone and concerns many messages. */
  readonly queueNames: readonly string[];
  readonly count: number | undefined;
  /** True if it cannot be undone. */
  readonly isFinal: boolean;
}

/**
 * Asks whether a change is to be made.
 *
 * @param console Whom to ask.
 * @param isConfirmed True with `--yes`.
 * @param change What to ask.
 * @returns False if it is not to be made.
 * @throws {UsageError} If there is nobody to ask.
 */
export async function confirm(
  console: Console,
  isConfirmed: boolean,
  { what, queueNames, count = Infinity, isFinal }: Confirmation,
): Promise<boolean> {
  if (isConfirmed) return true;
  if (!console.isInteractive) {
    throw new UsageError(
      `Cannot ${escapeText(what)} without --yes: there is no terminal to ask on`,
    );
  }
  const typed = isFinal && count > MANY ? queueNames.join(",") : "y";
  const how = typed === "y" ? "[y/N]" : `Type ${typed} to go on:`;
  const sentence = what.charAt(0).toUpperCase() + what.slice(1);
  const answer = await console.ask(`${escapeText(`${sentence}? ${how}`)} `);
  const isYes = answer.trim() === typed || (typed === "y" && /^y(?:es)?$/i.test(answer.trim()));
  if (!isYes) console.note("Nothing was changed\n");
  return isYes;
}

/** Giver of the command, for the record: `ada@web-1`. */
export function whoAmI(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "unknown"; // a user without an entry, as in containers
  }
}
