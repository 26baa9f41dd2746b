import { once } from "node:events";
import { connect } from "node:net";
import type { ServerAddress } from "../../tests/support/servers/exchange.ts";

/**
 * Measures how long Redis takes to answer a PING, in milliseconds: the median of 200.
 *
 * @param address Redis, or a proxy before it.
 */
export async function measureRoundTrip({ host, port }: ServerAddress): Promise<number> {
  const socket = connect({ host, port, noDelay: true });
  await once(socket, "connect");
  const times: number[] = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    socket.write("PING\r\n");
    await once(socket, "data");
    times.push(performance.now() - start);
  }
  socket.destroy();
  return times.toSorted((a, b) => a - b)[times.length >> 1]!;
}
