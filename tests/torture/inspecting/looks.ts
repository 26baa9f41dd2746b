import { type Broker, Message } from "../../../mod.ts";
import type { WorkerReport } from "../../../core/inspection_reports.ts";
import { runCommand } from "../../cli/inspect_fixture.ts";
import { Site } from "../../dashboard/fixture.ts";

/**
 * What a look may read besides what is common to all: nothing, a page of messages, the newest 1,000 by
 * error, a search through 2,000 messages, and one through 2,000 of each state.
 */
export type Extent = "figures" | "page" | "groups" | "search" | "find";

/** Number of messages that each extent reads at most. */
export const MESSAGES: Readonly<Record<Extent, number>> = {
  figures: 0,
  page: 200,
  groups: 1_100,
  search: 2_050,
  find: 6_050,
};

/** A page of the dashboard, or a command that reads. */
export interface Look {
  readonly name: string;
  readonly extent: Extent;
  /** Looks, and gives the number of characters that are shown. */
  run(): Promise<number>;
}

/** Queue of all messages. */
export const QUEUE = "default";
/** Number of workers whose reports are there, of actors in the history, and of delayed messages. */
export const WORKERS = 100;
export const ACTORS = 20;
export const DELAYED = 1_000;
/** Messages that each worker runs. */
const RUNNING = 8;

/** A report of a worker that is busy. */
export function reportOf(i: number, now: number): WorkerReport {
  const counts = { done: 1_000 + i, failed: 10, retried: 8, dead: 2 };
  return {
    id: `worker-${i}`,
    host: `web-${i % 10}`,
    pid: 1_000 + i,
    queues: [QUEUE, "mails", "reports"],
    concurrency: 16,
    running: RUNNING,
    schedules: undefined,
    bootedAt: now - 3_600_000,
    seenAt: now,
    hasReport: true,
    state: "working",
    runtime: "deno 2.9.6",
    version: "0.1.0",
    messages: Array.from({ length: RUNNING }, (_, j) => ({
      messageId: `running-${i}-${j}`,
      actorName: `actor${j}`,
      queueName: QUEUE,
      since: now - 1_000 * j,
      attempt: 1,
      key: undefined,
    })),
    actors: Object.fromEntries(Array.from({ length: ACTORS }, (_, j) => [`actor${j}`, counts])),
    lag: 0,
    rss: 2 ** 26,
  };
}

/** Sends delayed messages. */
export async function sendDelayed(broker: Broker): Promise<void> {
  const messages = Array.from(
    { length: DELAYED },
    (_, i) => new Message({ queueName: QUEUE, actorName: "later", args: [i] }),
  );
  await broker.enqueueMany(messages, { delay: { hours: 1 } });
}

/**
 * All pages and all commands that read, each with a broker and an inspector of its own, which know
 * nothing from before.
 *
 * @param open Opens a broker.
 * @param url Its address, for commands.
 */
export async function looksAt(open: () => Broker, url: string): Promise<Look[]> {
  await using site = new Site<Broker>({}, open());
  const first = async (state: string): Promise<{ key: string; id: string }> => {
    const { messages: [message] } = await site.json(`/queues/${QUEUE}/${state}`);
    return message;
  };
  const [ready, dead] = [await first("waiting"), await first("dead")];
  await using inspector = site.broker.inspect();
  const canListRunning = inspector.abilities.has("browse:unacknowledged");
  const page = (path: string, extent: Extent): Look => pageLook(open, path, extent);
  const command = (line: string, extent: Extent, code = 0): Look =>
    commandLook(line, url, extent, code);
  const list = (state: string) => `queues/${QUEUE}/${state}`;
  const jobs = (rest: string) => `jobs list --queue ${QUEUE} ${rest}`;
  return [
    page("", "figures"),
    page(list("waiting"), "page"),
    page(`${list("waiting")}?actor=none`, "search"),
    page(list("delayed"), "page"),
    page(`${list("delayed")}?actor=none`, "search"),
    page(list("running"), "figures"),
    page(list("dead"), "groups"),
    page(`${list("dead")}?since=1700000000500`, "page"),
    page(`${list("dead")}?error=none`, "search"),
    page(`messages/${QUEUE}/ready/${encodeURIComponent(ready.key)}`, "page"),
    page(`messages/${QUEUE}/dead/${encodeURIComponent(dead.key)}`, "page"),
    page("dead", "groups"),
    page("dead?actor=none", "search"),
    page("running", "figures"),
    page("workers", "figures"),
    page("schedules", "figures"),
    page("operations", "figures"),
    page(`operations/new?queue=${QUEUE}&state=dead&change=requeue`, "page"),
    page(`operations/new?queue=${QUEUE}&state=dead&change=requeue&error=none`, "search"),
    page("find?id=none", "find"),
    page(`find?id=${encodeURIComponent(dead.id)}`, "find"),
    command("queues list", "figures"),
    command(jobs("--state ready"), "page"),
    command(jobs("--state delayed"), "page"),
    ...canListRunning ? [command(jobs("--state unacknowledged"), "page")] : [],
    command(jobs("--state dead"), "page"),
    command(jobs("--state dead --error none"), "search"),
    command(jobs("--state dead --group error"), "search"),
    command("jobs list --group error", "search"),
    command("jobs find --id none", "find", 1),
    command(`jobs find --id ${dead.id}`, "find"),
    command(`jobs show --id ${dead.id}`, "find"),
    command("workers list", "figures"),
    command("top -n 1", "figures"),
  ];
}

function pageLook(open: () => Broker, path: string, extent: Extent): Look {
  const name = `GET /${path}`;
  return {
    name,
    extent,
    async run() {
      await using site = new Site<Broker>({}, open());
      const response = await site.get(`/${path}`);
      const text = await response.text();
      if (response.status === 200 && !/broker does not answer|not answered since/.test(text)) {
        return text.length;
      }
      throw new Error(`Cannot look at ${name}: ${response.status} ${text}`);
    },
  };
}

function commandLook(line: string, url: string, extent: Extent, code: number): Look {
  return {
    name: line,
    extent,
    async run() {
      const ran = await runCommand([...line.split(" "), "--broker", url]);
      if (ran.code === code) return ran.console.output.length;
      throw new Error(`Cannot run ${line}: ${ran.code} ${ran.console.notes}`);
    },
  };
}
