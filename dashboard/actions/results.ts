import type { Control } from "../../control/control.ts";
import type { Board } from "../board.ts";
import type { Notice } from "../notices.ts";
import type { ChangeOutcome } from "../../core/inspection.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { ChangeResult } from "./perform.ts";
import { counted } from "../../platform/counted.ts";

/** Page after an action, and the notice on it. */
export interface Result {
  /** Path of the page, relative to the root. */
  readonly to: string;
  readonly notice?: Notice;
}

/** Describes the outcomes of changes. @throws The error if all have failed. */
export function outcomeOf(outcomes: readonly ChangeOutcome[], past: string): ChangeResult {
  const number = (outcome: ChangeOutcome["outcome"]) =>
    outcomes.filter((one) => one.outcome === outcome).length;
  const [done, gone, failed] = [number("done"), number("gone"), number("failed")];
  const problem = outcomes.find((one) => one.outcome === "failed");
  if (done === 0 && problem?.outcome === "failed") throw problem.error;
  const texts = [
    `${past} ${done} ${counted(done, "message(s)")}`,
    ...gone === 0 ? [] : [`${gone} ${counted(gone, "(was|were)")} gone`],
    ...problem?.outcome === "failed" ? [`${failed} failed: ${errorMessage(problem.error)}`] : [],
  ];
  return { text: texts.join(", "), count: done };
}

/** The `Control` of a broker. @throws {TypeError} If the broker has no control store. */
export function controlOf({ control }: Board): Control {
  if (control !== undefined) return control;
  throw new TypeError("The broker has no control store, which this needs");
}

/** The reason of a pause or cancellation, with the name of the viewer. */
export function reasonBy(name: string, reason: string | undefined): string {
  return reason === undefined ? `by ${name}` : `${reason} (${name})`;
}
