import type { Broker } from "../core/broker.ts";
import { CLAIM_PREFIX, toClaim } from "../core/claim_entry.ts";
import { readEntry } from "../core/control_store.ts";
import { checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { showValue } from "../platform/show_value.ts";

/** Claim of a unique message, as listed by `Control.claims`. */
export interface UniqueClaim {
  /** Name of the claim, for `Control.release`. */
  readonly key: string;
  /** Actor of the message. */
  readonly actorName: string;
  /** Queue of the message. */
  readonly queueName: string;
  /** Message that holds the claim. */
  readonly messageId: string;
}

/** Options of `Control.claims`. */
export interface ClaimsOptions {
  /** Lists the claims of this actor, or actor name, only. */
  actor?: { readonly actorName: string } | string;
}

const CLAIMS_OPTIONS: KnownOptions<ClaimsOptions> = { actor: true };

/** Lists claims. */
export async function readClaims(
  { controlStore }: Broker,
  options: ClaimsOptions,
): Promise<UniqueClaim[]> {
  checkKnownOptions("list claims", options, CLAIMS_OPTIONS);
  const { actor } = options;
  const name: unknown = typeof actor === "string" ? actor : actor?.actorName;
  if (actor !== undefined && (typeof name !== "string" || name === "")) {
    throw new TypeError(`Cannot list claims of actor ${showValue(name)}: it needs a name`);
  }
  const prefix = name === undefined ? CLAIM_PREFIX : `${CLAIM_PREFIX}${name}/`;
  const { entries } = await controlStore!.read(prefix);
  return entries.flatMap((entry) => {
    const claim = toClaim(entry);
    if (claim === undefined) return [];
    const key = entry.key.slice(CLAIM_PREFIX.length);
    const { queueName, messageId } = claim;
    return [{ key, actorName: key.slice(0, key.indexOf("/")), queueName, messageId }];
  });
}

/** Ends a claim. @returns Whether it existed. */
export async function releaseClaim({ controlStore }: Broker, key: string): Promise<boolean> {
  const name = CLAIM_PREFIX + key;
  for (;;) {
    const entry = await readEntry(controlStore!, name);
    if (entry === undefined) return false;
    const change = { key: name, value: null, ifVersion: entry.version };
    if ((await controlStore!.change([change])).applied) return true;
  }
}
