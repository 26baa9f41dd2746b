import type { Run, Story } from "./ledger.ts";

/** What was done to a process, to a connection, or to the server. */
export interface Incident {
  /** What was done. */
  readonly kind: "kill" | "cut" | "freeze" | "pause" | "restart";
  /** A process, or the place that several have held one after another; `undefined` for all. */
  readonly target: string | undefined;
  /** Milliseconds since the epoch. */
  readonly from: number;
  /** When it was over; `Infinity` while it goes on. */
  to: number;
}

/** Milliseconds in which an acknowledgement gets through if nothing is in its way. */
const ACK_TIME = 1_000;
/** Milliseconds that clients may take to come back when they can. The issue says 5 s. */
const RECOVERY_TIME = 5_000;

/**
 * Explains why a message ran more often than it had to: once for each attempt.
 *
 * @param story What is known of the message.
 * @param incidents What was done.
 * @returns The cause of each run too many; `undefined` for one without.
 */
export function explainRuns(
  story: Story,
  incidents: readonly Incident[],
): (string | undefined)[] {
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
        : explainRedelivery(same, run, incidents) ?? explainSending(story, incidents),
    );
  }
  return causes;
}

/** The same stored message was given out twice. */
function explainRedelivery(
  before: Run,
  run: Run,
  incidents: readonly Incident[],
): string | undefined {
  const { process, begun, ended } = before;
  const kill = incidents.find(({ kind, target }) => kind === "kill" && target === process);
  if (kill !== undefined && ended === undefined) return "killed while it ran";
  if (kill !== undefined && kill.from - ended! <= ACK_TIME) {
    return "killed before the acknowledgement was through";
  }
  const outage = findOutage(incidents, process, begun, (ended ?? run.begun) + ACK_TIME);
  if (outage !== undefined) return `${outage.kind} around the first run`;
  const late = findOutage(incidents, run.process, run.begun, run.begun);
  if (late !== undefined) return `${late.kind}, after which a worker ran what it had lost`;
}

/** There were two stored messages for the same attempt. */
function explainSecondMessage(
  { attempt }: Run,
  runs: readonly Run[],
  story: Story,
  incidents: readonly Incident[],
): string | undefined {
  if (attempt === 0) return explainSending(story, incidents);
  const parents = runs.filter((run) => run.attempt === attempt - 1);
  if (parents.length > 1) return "the attempt before ran twice";
  const [parent] = parents;
  if (parent?.ended === undefined) return;
  const outage = findOutage(incidents, parent.process, parent.ended, parent.ended + ACK_TIME);
  if (outage !== undefined) return `${outage.kind} while the retry was stored`;
}

function explainSending({ sending }: Story, incidents: readonly Incident[]): string | undefined {
  if (sending === undefined) return;
  const { process, from, to } = sending;
  const outage = findOutage(incidents, process, from, to);
  if (outage !== undefined) return `${outage.kind} while it was sent`;
}

/** The last one whose effects a process felt in that time. */
function findOutage(
  incidents: readonly Incident[],
  process: string,
  from: number,
  to: number,
): Incident | undefined {
  return incidents.findLast((incident) =>
    incident.kind !== "kill" && touches(incident, process) &&
    incident.from <= to && incident.to + RECOVERY_TIME >= from
  );
}

/** Processes are called after their place: `worker 2.5` is the fifth one of `worker 2`. */
function touches({ target }: Incident, process: string): boolean {
  return target === undefined || process === target || process.startsWith(`${target}.`);
}
