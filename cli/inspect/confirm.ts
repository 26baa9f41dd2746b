import { hostname, userInfo } from "node:os";
import { escapeText } from "../../platform/escape.ts";
import type { Console } from "../console.ts";
import { UsageError } from "../usage_error.ts";

/** Number of messages above which the user must type the name of the queue. */
const MANY = 1_000;

/** A change that the user must confirm. */
export interface Confirmation {
  /** The change, such as `drop 812 messages of default`. */
  readonly what: string;
  /** Names that the user must type if the change is final and concerns many messages. */
  readonly queueNames: readonly string[];
  readonly count: number | undefined;
  /** True if it cannot be undone. */
  readonly isFinal: boolean;
}

/**
 * Asks the user to confirm a change.
 *
 * @param console The console.
 * @param isConfirmed True with `--yes`.
 * @param change The change.
 * @returns False if the user declines.
 * @throws {UsageError} If there is no terminal to ask on.
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
  const how = typed === "y" ? "[y/N]" : `Type ${typed} to confirm:`;
  const sentence = what.charAt(0).toUpperCase() + what.slice(1);
  const answer = await console.ask(`${escapeText(`${sentence}? ${how}`)} `);
  const isYes = answer.trim() === typed || (typed === "y" && /^y(?:es)?$/i.test(answer.trim()));
  if (!isYes) console.note("Nothing was changed\n");
  return isYes;
}

/** The user of the command, for the record: `ada@web-1`. */
export function currentUser(): string {
  return `${userName()}@${hostname()}`;
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "unknown"; // a user id without an account, as in containers
  }
}
