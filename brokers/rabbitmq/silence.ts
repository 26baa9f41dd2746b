import type { Model } from "./client.ts";

/** Bytes of a frame that only is a sign of life ("AMQP 0-9-1 Specification", 4.2.7). */
const HEARTBEAT_FRAME = 8;
/** Number of looks in the time of a heartbeat. */
const LOOKS = 10;
/** Times of a heartbeat without a sign of life after which there will be none. */
const LIMIT = 1.25;

/**
 * Ends a connection on which the server is silent for one and a quarter of the heartbeat: it
 * sends a frame in each half of that when it has nothing else to say, and two that are missing
 * count as a loss ("Detecting Dead TCP Connections with Heartbeats" in RabbitMQ's manual). Fewer
 * bytes than such a frame has count as silence: what trickles is as good as lost.
 *
 * amqplib waits for two heartbeats and more, and for any byte.
 *
 * @param model The connection.
 * @returns Tells when the server was last heard, by `performance.now()`.
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
    // While the event loop stood still, nothing could be read.
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
