import type { MessageChange } from "../../core/inspection.ts";

/** A change of messages: what it needs, and what it is called. */
export interface ChangeVerb {
  readonly right: "requeue" | "drop";
  readonly action: MessageChange;
  /** For log lines. */
  readonly past: string;
  /** For pages. */
  readonly told: string;
}

const VERBS: Readonly<Record<MessageChange, ChangeVerb>> = {
  requeue: { right: "requeue", action: "requeue", past: "requeued", told: "Requeued" },
  runNow: { right: "requeue", action: "runNow", past: "ran now", told: "Put on the queue" },
  drop: { right: "drop", action: "drop", past: "dropped", told: "Dropped" },
};

/** The change of a name that somebody sent; `undefined` if there is none. */
export function changeVerbOf(name: string | undefined): ChangeVerb | undefined {
  return name !== undefined && Object.hasOwn(VERBS, name)
    ? VERBS[name as MessageChange]
    : undefined;
}
