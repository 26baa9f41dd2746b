import { ConnectionFailed } from "../../core/errors.ts";
import { type Client, serverOf } from "./client.ts";
import { isReply, NotReplicated } from "./errors.ts";

/** Number of replicas to wait for. */
export interface WaitReplicas {
  /**
   * Number of replicas that must have a message. With Sentinel all that there are: one that has been made the
   * master does not hear of a message that the old master confirms, while others still do.
   */
  readonly count: number;
  /** Milliseconds that this may take, up to 2,000. @default {1_000} */
  readonly timeout?: number;
}

/** A script to run and its key, by which its server is found. */
export interface ReplicatedScript {
  /** Purpose: the end of "Cannot …". */
  readonly purpose: string;
  /** A key that lies where all its others do. */
  readonly key: string;
  /** Runs it. */
  evaluate(server: Client): Promise<unknown>;
}

/**
 * Runs a script, and waits until replicas have what it has written: `WAIT` speaks of what went
 * through the same connection before it.
 *
 * @param client The client.
 * @param script What to run.
 * @param replicas How many must have it, and in which time.
 * @returns What the script returned.
 * @throws {NotReplicated} If they do not have it.
 * @throws {ConnectionFailed} If the server does not wait: it is a replica itself by now, or may not.
 */
export async function runReplicated(
  client: Client,
  { purpose, key, evaluate }: ReplicatedScript,
  { count, timeout }: Required<WaitReplicas>,
): Promise<unknown> {
  const server = await serverOf(client, key);
  const [run, wait] = await Promise.allSettled([
    evaluate(server),
    server.callBuffer("wait", count, timeout),
  ]);
  if (run.status === "rejected") {
    // A cluster's client learns from the answers to its own commands where keys have gone.
    const isMoved = isReply(run.reason) && run.reason.message.startsWith("MOVED");
    if (isMoved) await client.callBuffer("exists", key).catch(() => {});
    throw run.reason;
  }
  if (wait.status === "rejected") throw notWaited(purpose, wait.reason);
  if ((wait.value as number) >= count) return run.value;
  throw new NotReplicated(
    `Cannot ${purpose}: ${wait.value} of ${count} replicas have it after ${timeout} ms`,
    { delivery: "unknown" },
  );
}

/** The script has run: what `WAIT` is refused with must not read as if it had not. */
function notWaited(purpose: string, reason: unknown): unknown {
  if (!isReply(reason)) return reason;
  return new ConnectionFailed(`Cannot ${purpose}: Redis answers to WAIT: ${reason.message}`, {
    cause: reason,
    delivery: "unknown",
  });
}
