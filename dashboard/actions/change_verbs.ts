import type { MessageChange } from "../../core/inspection.ts";

/** A change of messages, with its right and its names. */
export interface ChangeVerb {
  readonly right: "requeue" | "drop";
  readonly action: MessageChange;
  /** Past tense for log records. */
  readonly past: string;
  /** Past tense for pages. */
  readonly label: string;
}

const VERBS: Readonly<Record<MessageChange, ChangeVerb>> = {
  requeue: { right: "requeue", action: "requeue", past: "requeued", label: "Requeued" },
  runNow: { right: "requeue", action: "runNow", past: "ran now", label: "Put on the queue" },
  drop: { right: "drop", action: "drop", past: "dropped", label: "Dropped" },
};

/** The change with a name from a form; `undefined` if it is unknown. */
export function changeVerbOf(name: string | undefined): ChangeVerb | undefined {
  return name !== undefined && Object.hasOwn(VERBS, name)
    ? VERBS[name as MessageChange]
    : undefined;
}
