import type { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Script } from "../../../clients/redis/script.ts";
import type { RedisServer } from "../../support/servers/redis.ts";
import { eventually } from "./fixture.ts";

/** A command that a client sent: its name in lower case, then its arguments. */
export type MonitoredCommand = readonly string[];

/** `1700000000.123456 [0 127.0.0.1:50000] "evalsha" "…"`; scripts have `lua` for an address. */
const LINE = /^\+\d+\.\d+ \[\d+ ([^\]]+)\] (.*)$/;
const QUOTED = /"(?:[^"\\]|\\.)*"/g;
/** Commands that the monitor itself causes. */
const OWN = new Set(["echo", "auth", "select"]);

/** Records the commands that clients send to a server. */
export class Monitor implements AsyncDisposable {
  readonly #server: RedisServer;
  readonly #socket: Socket;
  #rest = "";
  #commands: MonitoredCommand[] = [];
  #changed: () => void = () => {};

  private constructor(server: RedisServer, socket: Socket) {
    this.#server = server;
    this.#socket = socket;
    socket.on("data", (chunk: Buffer) => this.#read(chunk.toString("latin1")));
  }

  /** Connects, and starts to record. */
  static async open(server: RedisServer): Promise<Monitor> {
    const socket = connect(server.port, server.host);
    await once(socket, "connect");
    const monitor = new Monitor(server, socket);
    socket.write("MONITOR\r\n");
    await monitor.take();
    return monitor;
  }

  /** The commands since the last call, without those of scripts. */
  async take(): Promise<MonitoredCommand[]> {
    const mark = crypto.randomUUID();
    let end = -1;
    while (end === -1) {
      // Repeated, since a command that was sent before `MONITOR` took effect is not recorded.
      await this.#server.command("ECHO", mark);
      const changed = new Promise<void>((resolve) => this.#changed = resolve);
      end = this.#find(mark);
      if (end === -1) await changed;
      end = this.#find(mark);
    }
    const commands = this.#commands.splice(0, end + 1);
    return commands.filter(([name]) => !OWN.has(name!));
  }

  /**
   * Waits until a consumer waits: its last command before reads the length of the queue, which subscribes
   * to changes.
   *
   * @param queue The key of the queue.
   */
  untilWaiting(queue: string): Promise<void> {
    return eventually(`wait for ${queue}`, async () => {
      const commands = await this.take();
      return commands.some(([name, key]) => name === "llen" && key === queue);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, "close");
    this.#socket.destroy();
    await closed;
  }

  #find(mark: string): number {
    return this.#commands.findIndex(([name, text]) => name === "echo" && text === mark);
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\r\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const [, source, command] = LINE.exec(line) ?? [];
      if (command === undefined || source === "lua") continue;
      const [name = "", ...args] = command.match(QUOTED)!.map(unquote);
      this.#commands.push([name.toLowerCase(), ...args]);
    }
    this.#changed();
  }
}

function unquote(text: string): string {
  return JSON.parse(text.replace(/\\x/g, "\\u00").replace(/\\a/g, "\\u0007"));
}

/** Commands that run a script. */
export function runsOf(
  script: Script,
  commands: readonly MonitoredCommand[],
): MonitoredCommand[] {
  return commands.filter(([name, text]) =>
    (name === "evalsha" && text === script.sha) || (name === "eval" && text === script.text)
  );
}
