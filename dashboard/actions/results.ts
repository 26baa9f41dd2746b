import type { Control } from "../../control/control.ts";
import type { Board } from "../board.ts";
import type { Notice } from "../notices.ts";
import type { ChangeOutcome } from "../../core/inspection.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { Done } from "./perform.ts";
import { counted } from "../../platform/counted.ts";

/** Page after an action, and the notice on it. */
export interface Result {
  /** The page, below the root. */
  readonly to: string;
  readonly notice?: Notice;
}

/** Result of changes, in words. */
export function outcomeOf(outcomes: readonly ChangeOutcome[], past: string): Done {
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

/** Controls the workers of a broker. @throws {TypeError} If the broker has no control store. */
export function controlOf({ control }: Board): Control {
  if (control !== undefined) return control;
  throw new TypeError("The broker has no control store, which this needs");
}

/** The reason of a pause or cancellation, with the name of whoever asked for it. */
export function reasonBy(name: string, reason: string | undefined): string {
  return reason === undefined ? `by ${name}` : `${reason} (${name})`;
}
