import { type Actor, actor, type Broker, RedisBroker, SqliteBroker } from "@dq/dramatiq";

/** Orders of a worker, as JSON in its first argument. */
export interface ClaimWorkerArguments {
  /** Address of Redis; without it there is a file. */
  readonly url?: string;
  readonly namespace: string;
  readonly path: string;
  readonly journal: string;
}

/** Milliseconds after which a worker counts as dead. */
const HEARTBEAT_TIMEOUT = 1_000;
/** Number of attempts after the first one. */
export const RETRIES = 2;

/** Opens a broker, and declares an actor whose messages are unique by their first argument. */
export function openClaims(
  { url, namespace, path }: ClaimWorkerArguments,
  run: (key: number, mood: number) => Promise<void> = () => Promise.resolve(),
): { broker: Broker; held: Actor<[key: number, mood: number], void> } {
  const heartbeatTimeout = HEARTBEAT_TIMEOUT;
  const broker = url === undefined
    ? new SqliteBroker({ path, heartbeatTimeout })
    : new RedisBroker({ url, namespace, heartbeatTimeout });
  const held = actor(run, {
    broker,
    actorName: "held",
    unique: { by: (key: number) => key },
    maxRetries: RETRIES,
    maxDeaths: null,
    minBackoff: 1,
    maxBackoff: 20,
  });
  return { broker, held };
}
