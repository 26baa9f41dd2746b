import { ConnectionFailed } from "../../core/errors.ts";
import { type Client, serverOf } from "./client.ts";
import { isReply, NotReplicated } from "./errors.ts";

/** Number of replicas to wait for. */
export interface WaitReplicas {
  /**
   * Number of replicas that must have a message. With Sentinel, set it to the number of all replicas: in
   * a failover the old master may still confirm messages, which other replicas have, but the new master
   * does not.
   */
  readonly count: number;
  /** Milliseconds to wait, up to 2,000. @default {1_000} */
  readonly timeout?: number;
}

/** A script to run, and a key by which its server is found. */
export interface ReplicatedScript {
  /** Purpose: the end of "Cannot …". */
  readonly purpose: string;
  /** A key on the same node as all others of the script. */
  readonly key: string;
  /** Runs the script. */
  evaluate(server: Client): Promise<unknown>;
}

/**
 * Runs a script, and waits until replicas have its writes: `WAIT` applies to the commands before it on
 * the same connection.
 *
 * @param client The client.
 * @param script The script.
 * @param replicas Number of replicas, and the timeout.
 * @returns The result of the script.
 * @throws {NotReplicated} If the timeout is over before.
 * @throws {ConnectionFailed} If the server refuses `WAIT`: it has become a replica, or the user has no
 *   permission.
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
    // The client of a cluster follows moved keys only when one of its own commands is redirected.
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

/** Error for a refused `WAIT`: a bare reply would mean that the script has not run. */
function notWaited(purpose: string, reason: unknown): unknown {
  if (!isReply(reason)) return reason;
  return new ConnectionFailed(`Cannot ${purpose}: Redis answers to WAIT: ${reason.message}`, {
    cause: reason,
    delivery: "unknown",
  });
}
