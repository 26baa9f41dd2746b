import process from "node:process";
import type { Broker } from "../../../mod.ts";
import type { Fixture, Program } from "../../cli/fixture.ts";
import { until } from "../../support/servers/until.ts";

/** Milliseconds for 100,000 messages on a busy machine. */
const TIMEOUT = 300_000;
const QUEUE = "default";

/** What requeues dead letters: an operation of the dashboard, or a command. */
export type Means = "dashboard" | "jobs retry";

/** What is there after a requeue was killed, and begun again. */
export interface Requeued {
  /** Messages that were requeued when the process was killed. */
  readonly before: number;
  /** Messages that wait at the end, and how many of them are different. */
  readonly ready: number;
  readonly different: number;
  readonly dead: number;
}

/**
 * Requeues all dead letters of a queue, kills the process in the middle, and does it again to the end.
 *
 * @param fixture Where programs run.
 * @param means What requeues.
 * @param url Address of the broker, whose queue has only dead letters.
 * @param broker The same broker.
 * @param from Number of messages from which on the process is killed.
 */
export async function requeueKilled(
  fixture: Fixture,
  means: Means,
  url: string,
  broker: Broker,
  from = 1,
): Promise<Requeued> {
  await using inspector = broker.inspect();
  const counts = async () => {
    const { queues } = await inspector.overview();
    return queues.find(({ queueName }) => queueName === QUEUE)!;
  };
  const first = await begin(fixture, means, url);
  await until(async () => (await counts()).ready! >= from, {
    what: "see it requeue",
    timeout: TIMEOUT,
  });
  process.kill(first.pid, "SIGKILL");
  await first.ended;
  const { ready: before } = await counts();
  const second = await begin(fixture, means, url);
  await until(async () => (await counts()).dead === 0, {
    what: "see it requeue the rest",
    timeout: TIMEOUT,
  });
  const code = means === "dashboard" ? await second.stop() : await second.ended;
  if (code !== 0) throw new Error(`Cannot requeue the rest: ${code} ${second.output}`);
  const ids = new Set<string>();
  let ready = 0;
  let after: string | undefined;
  do {
    const page = await inspector.list({
      queueName: QUEUE,
      state: "ready",
      limit: 200,
      ...(after !== undefined && { after }),
    });
    for (const { messageId } of page.messages) ids.add(messageId!);
    ready += page.messages.length;
    after = page.next;
  } while (after !== undefined);
  return { before: before!, ready, different: ids.size, dead: (await counts()).dead! };
}

async function begin(fixture: Fixture, means: Means, url: string): Promise<Program> {
  if (means === "jobs retry") {
    return fixture.start(["jobs", "retry", "--yes", "--queue", QUEUE, "--broker", url]);
  }
  const program = fixture.start(["dashboard", "--port", "0", "--broker", url]);
  await program.printed(/http:\S+/);
  const response = await fetch(`${/http:\S+/.exec(program.stdout)![0]}operations`, {
    method: "POST",
    body: new URLSearchParams({ queue: QUEUE, state: "dead", change: "requeue" }),
    headers: { "sec-fetch-site": "same-origin" },
    redirect: "manual",
  });
  if (response.status !== 303) throw new Error(`Cannot requeue: ${await response.text()}`);
  return program;
}

/** Why a requeue was no good; `undefined` if it was. */
export function faultOf(
  { before, ready, different, dead }: Requeued,
  count: number,
): string | undefined {
  if (before >= count) return "it was killed too late";
  const lost = count - different - dead;
  const doubled = ready - different;
  return lost === 0 && doubled === 0 && dead === 0
    ? undefined
    : `${lost} lost, ${doubled} doubled, ${dead} left`;
}
