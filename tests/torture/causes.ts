import type { Run, Story } from "./ledger.ts";

/** Incident: what was done to a process, to a connection, or to the server. */
export interface Incident {
  /** Name of what was done. */
  readonly kind: "kill" | "cut" | "freeze" | "silence" | "pause" | "restart";
  /** A process, or the place that several have held one after another; `undefined` for all. */
  readonly target: string | undefined;
  /** Milliseconds since the epoch. */
  readonly from: number;
  /** When it was over; `Infinity` while it goes on. */
  to: number;
}

/** Milliseconds in which a client is back on a machine that does nothing else. */
const NEAR = 1_000;

/** Cause: the worker died between the two steps that end a delay. */
export const KILLED_WHILE_MOVING = "killed while it was put on its queue";

/** Incidents, as the search for causes looks at it. */
export class Incidents {
  readonly #list: readonly Incident[];
  readonly #slack: number;

  /**
   * @param list What was done.
   * @param slack Milliseconds in which, with nothing in the way, acknowledgements get through
   *   and clients are back. The longer, the more is explained.
   */
  constructor(list: readonly Incident[], slack: number) {
    this.#list = list;
    this.#slack = slack;
  }

  /** @returns When a process was killed, if it was. */
  timeOfKill(process: string): number | undefined {
    return this.#list.find(({ kind, target }) => kind === "kill" && target === process)?.from;
  }

  /** The same with more and more slack: what is nearest is the likeliest cause. */
  get byNearness(): readonly Incidents[] {
    return [0, Math.min(this.#slack, NEAR), this.#slack].map((slack) =>
      new Incidents(this.#list, slack)
    );
  }

  /** @returns Whether a process was killed before what it did then was through. */
  hasKilledSoonAfter(process: string, time: number): boolean {
    const timeOfKill = this.timeOfKill(process);
    return timeOfKill !== undefined && timeOfKill <= time + this.#slack;
  }

  /** @returns Whether there was any fault in that time. */
  hasAnyBetween(from: number, to: number): boolean {
    return this.#list.some((incident) => incident.from <= to && incident.to + this.#slack >= from);
  }

  /** @returns What last got in the way of a process in that time, or of what it did then. */
  findOutage(process: string, from: number, to: number): Incident | undefined {
    return this.#list.findLast((incident) =>
      incident.kind !== "kill" && touches(incident, process) &&
      incident.from <= to + this.#slack && incident.to + this.#slack >= from
    );
  }
}

/**
 * Explains why a message ran more often than it had to: once for each attempt.
 *
 * @param story What is known of the message.
 * @param incidents What was done.
 * @returns The cause of each run too many; `undefined` for one without.
 */
export function explainRuns(story: Story, incidents: Incidents): (string | undefined)[] {
  const causes: (string | undefined)[] = [];
  if (story.runs.length < 2) return causes;
  const runs = story.runs.toSorted((a, b) => a.begun - b.begun);
  for (const [i, run] of runs.entries()) {
    const earlier = runs.slice(0, i).filter(({ attempt }) => attempt === run.attempt);
    if (earlier.length === 0) continue;
    const same = earlier.findLast(({ delivery }) => delivery === run.delivery);
    causes.push(
      same === undefined
        ? explainSecondMessage(run, runs, story, incidents)
        : explainRedelivery(same, run, incidents) ?? (
          run.delivery === "" // Maybe there were two of the same.
            ? explainSecondMessage(run, runs, story, incidents)
            : explainSending(story, incidents)
        ),
    );
  }
  return causes;
}

/** The same stored message was given out twice. */
function explainRedelivery(before: Run, run: Run, incidents: Incidents): string | undefined {
  const { process, begun, ended } = before;
  if (ended === undefined && incidents.timeOfKill(process) !== undefined) {
    return "killed while it ran";
  }
  for (const some of incidents.byNearness) {
    if (ended !== undefined && some.hasKilledSoonAfter(process, ended)) {
      return "killed before the acknowledgement was through";
    }
    const outage = some.findOutage(process, begun, ended ?? run.begun);
    if (outage !== undefined) return `${outage.kind} around the first run`;
  }
  const late = incidents.findOutage(run.process, run.begun, run.begun);
  if (late !== undefined) return `${late.kind} around the second run, by who had lost it`;
}

/** There were two stored messages for the same attempt. */
function explainSecondMessage(
  { attempt }: Run,
  runs: readonly Run[],
  story: Story,
  incidents: Incidents,
): string | undefined {
  const moving = explainMoves(attempt, story, incidents);
  if (moving !== undefined) return moving;
  if (attempt === 0) return explainSending(story, incidents);
  const parents = runs.filter((run) => run.attempt === attempt - 1);
  if (parents.length > 1) return "the attempt before ran twice";
  const [parent] = parents;
  if (parent?.ended === undefined) return;
  const outage = incidents.findOutage(parent.process, parent.ended, parent.ended);
  if (outage !== undefined) return `${outage.kind} while the retry was stored`;
}

/** It was put on its queue twice after a delay. */
function explainMoves(
  attempt: number,
  { sending, runs, moves }: Story,
  incidents: Incidents,
): string | undefined {
  const [first, second] = moves.filter((move) => move.attempt === attempt)
    .toSorted((a, b) => a.at - b.at);
  if (first === undefined || second === undefined) return;
  const { process, at } = first;
  if (incidents.hasKilledSoonAfter(process, at)) return KILLED_WHILE_MOVING;
  const outage = incidents.findOutage(process, at, at);
  if (outage !== undefined) return `${outage.kind} while it was put on its queue`;
  // There may have been two before: workers pass on what is far, and are not asked about it.
  const stored = attempt === 0
    ? sending?.from
    : runs.find((run) => run.attempt === attempt - 1)?.ended;
  if (stored !== undefined && incidents.hasAnyBetween(stored, at)) {
    return "some fault while it was delayed, of which two came back";
  }
}

function explainSending({ sending }: Story, incidents: Incidents): string | undefined {
  if (sending === undefined) return;
  const { process, from, to } = sending;
  const outage = incidents.findOutage(process, from, to);
  if (outage !== undefined) return `${outage.kind} while it was sent`;
}

/** Processes are called after their place: `worker 2.5` is the fifth one of `worker 2`. */
function touches({ target }: Incident, process: string): boolean {
  return target === undefined || process === target || process.startsWith(`${target}.`);
}
