import { type Actor, type Broker, type Group, group, pipeline } from "@dq/dramatiq";
import type { GroupStep } from "@dq/dramatiq/core";
import vectors from "../vectors/retries.json" with { type: "json" };
import type { WireEvent } from "./wire_journal.ts";

/** An entry of `groups` in the capture. */
export interface GroupCase {
  readonly label: string;
  readonly run_arguments?: { readonly delay: number };
  readonly actors_got_args: readonly unknown[];
  /** None if the group was refused. */
  readonly events: readonly WireEvent[];
  readonly run_raised?: string;
}

/** Captured cases of groups. */
export const groupCases: readonly GroupCase[] = vectors.groups as unknown as GroupCase[];

/** The actors of the members, and those of the callbacks. */
export type GroupActors = Readonly<Record<"one" | "two" | "done" | "done2", Actor>>;

/** The members and the callbacks of each case, which the capture leaves to its label. */
export function makeGroup(
  label: string,
  { actors, broker }: { readonly actors: GroupActors; readonly broker: Broker },
): Group {
  const { one, two, done, done2 } = actors;
  const parts: Record<string, readonly GroupStep[]> = {
    "two-callbacks": [one.message(1)],
    "pipeline-member": [pipeline([one.message(1), two.message(2)], { broker })],
    "nested-group-with-callback": [group([one.message(1)], { broker }), two.message(2)],
    "empty-group-with-callback": [],
  };
  const made = group(parts[label] ?? [one.message(1), two.message(2)], { broker });
  if (label === "two-callbacks") {
    made.addCompletionCallback(done.message("x"));
    made.addCompletionCallback(done2.message("y"));
  } else if (label !== "no-callback") {
    made.addCompletionCallback(label === "callback" ? done.message("all") : done.message());
  }
  return made as Group;
}
