import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import type { ServerAddress } from "../../tests/support/servers/exchange.ts";

/** A line of MONITOR: time, then database and address (or `lua`), then the quoted command. */
const LINE = /^\+[\d.]+ \[\d+ (\S+)\] "([^"]*)"/;

/**
 * Counts the commands that clients send to Redis, as MONITOR shows them. What scripts
 * call on the server is not counted.
 *
 * @param server Where Redis listens.
 * @param seconds How long.
 * @returns How often each command came, by its name in capitals.
 */
export async function countCommands(
  { host, port }: ServerAddress,
  seconds: number,
): Promise<Record<string, number>> {
  const socket = connect(port, host);
  await once(socket, "connect");
  const lines = createInterface({ input: socket });
  const counts: Record<string, number> = {};
  lines.on("line", (line) => {
    const [, source, name] = LINE.exec(line) ?? [];
    if (source === undefined || source === "lua") return;
    const command = name!.toUpperCase();
    counts[command] = (counts[command] ?? 0) + 1;
  });
  socket.write("MONITOR\r\n");
  await once(lines, "line"); // Redis has said OK.
  await delay(seconds * 1_000);
  lines.close();
  socket.destroy();
  return counts;
}
