import type { Model } from "./client.ts";

/** Bytes of a heartbeat frame ("AMQP 0-9-1 Specification", 4.2.7). */
const HEARTBEAT_FRAME = 8;
/** Number of checks in one heartbeat timeout. */
const LOOKS = 10;
/** Number of heartbeat timeouts without a frame after which the connection counts as lost. */
const LIMIT = 1.25;

/**
 * Closes a connection on which the server is silent for one and a quarter of the heartbeat timeout. An
 * idle server sends a frame in each half of that, and two missing ones count as a loss ("Detecting Dead
 * TCP Connections with Heartbeats" in RabbitMQ's manual). Fewer bytes than such a frame count as silence.
 *
 * amqplib waits for more than two heartbeat timeouts, and for any byte.
 *
 * @param model The connection.
 * @returns A function that returns when the server was last heard from, by `performance.now()`.
 */
export function watchSilence(model: Model): () => number {
  const { stream, heartbeat } = model.connection;
  if (heartbeat === 0) return () => performance.now();
  const limit = heartbeat * 1_000 * LIMIT;
  const interval = heartbeat * 1_000 / LOOKS;
  let heardAt = performance.now();
  let lookedAt = heardAt;
  let bytes = stream.bytesRead;
  const timer = setInterval(() => {
    const now = performance.now();
    // While the event loop was blocked, nothing could be read.
    if (now - lookedAt > 2 * interval) heardAt += now - lookedAt;
    lookedAt = now;
    if (stream.bytesRead - bytes >= HEARTBEAT_FRAME) {
      heardAt = now;
      bytes = stream.bytesRead;
    } else if (now - heardAt > limit) {
      stream.destroy(new Error(`the server has been silent for ${limit} ms`));
    }
  }, interval);
  model.on("close", () => clearInterval(timer));
  return () => heardAt;
}
