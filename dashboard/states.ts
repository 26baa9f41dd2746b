import type { MessageState } from "../core/inspection.ts";

/** Names of states on pages and in addresses, by state. */
const NAMES: Readonly<Record<MessageState, string>> = {
  ready: "waiting",
  delayed: "delayed",
  unacknowledged: "running",
  dead: "dead",
};

/** The name of a state on pages. */
export function stateName(state: MessageState): string {
  return NAMES[state];
}

/** The state with a name; `undefined` if the name is unknown. */
export function stateOfName(name: string): MessageState | undefined {
  return (Object.keys(NAMES) as MessageState[]).find((state) => NAMES[state] === name);
}

/** Headings of lists. */
export const TITLES: Readonly<Record<MessageState, string>> = {
  ready: "Waiting",
  delayed: "Delayed",
  unacknowledged: "Running",
  dead: "Dead letters",
};
