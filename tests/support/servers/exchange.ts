import { Buffer } from "node:buffer";
import { connect } from "node:net";

/** Address of a server. */
export interface ServerAddress {
  /** A name or an IP address. */
  readonly host: string;
  /** Its TCP port. */
  readonly port: number;
}

/**
 * Takes an address out of a URL.
 *
 * @param url With any scheme.
 * @param defaultPort The port if it names none.
 */
export function addressOf(url: string, defaultPort: number): ServerAddress {
  const { hostname, port } = new URL(url);
  // An IPv6 address stands in brackets there, and nowhere else.
  return { host: hostname.replace(/^\[|\]$/g, ""), port: port === "" ? defaultPort : Number(port) };
}

/** A server that is up answers at once; one that is paused never does. */
const TIMEOUT = 5_000;

/**
 * Asks a server one thing over a connection of its own.
 *
 * @param address Whom to ask.
 * @param question Bytes to send.
 * @param read Gives the answer, or `undefined` while there is more to come.
 * @returns The answer.
 * @throws {Error} If the connection fails, ends early or stays silent for 5 s.
 */
export function exchange<T>(
  { host, port }: ServerAddress,
  question: string | Uint8Array,
  read: (received: Buffer) => T | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let answer: T | undefined;
    let failure: unknown;
    let received = Buffer.alloc(0);
    const socket = connect(port, host, () => socket.write(question));
    socket.setTimeout(TIMEOUT, () => {
      socket.destroy(new Error(`Cannot ask ${host}:${port}: no answer within ${TIMEOUT} ms`));
    });
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk as Buffer]);
      try {
        answer = read(received);
      } catch (error) {
        failure = error;
      }
      if (answer !== undefined || failure !== undefined) socket.destroy();
    });
    socket.on("end", () => socket.destroy());
    socket.on("error", (error) => failure = error);
    socket.on("close", () => {
      if (answer !== undefined) resolve(answer);
      else reject(failure ?? new Error(`Cannot ask ${host}:${port}: it closed the connection`));
    });
  });
}
