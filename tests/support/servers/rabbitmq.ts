import { dirname, join } from "node:path";
import process from "node:process";
import { addressOf, exchange } from "./exchange.ts";
import { freePort } from "./free_port.ts";
import { ADDRESS_VARIABLES, ensureInstalled, findProgram } from "./install.ts";
import { RabbitmqConsole } from "./rabbitmq_console.ts";
import { makeHome } from "./rabbitmq_home.ts";
import { type RabbitmqPorts, serverEnvironment, writeConfig } from "./rabbitmq_environment.ts";
import { runProgram } from "./run_program.ts";
import { ServerProcess } from "./server_process.ts";
import { createServerFolder, type ServerPlan, TestServer } from "./test_server.ts";

/** Options for {@linkcode startOwnRabbitmq}. */
export interface RabbitmqOptions {
  /** Port on 127.0.0.1. @default {freePort()} */
  port?: number;
  /**
   * Settings of the application `rabbit` as Erlang terms, separated by commas:
   * `{consumer_timeout, 2000}, {heartbeat, 5}`.
   *
   * @default {""}
   */
  config?: string;
  /** Port of the HTTP API on 127.0.0.1; it takes longer to start. @default None. */
  managementPort?: number;
}

/** A RabbitMQ that was started here, besides its own process. */
interface OwnNode {
  /** Environment that tells Erlang programs where to find it. */
  readonly env: Readonly<Record<string, string>>;
  readonly ctl: string;
  readonly erl: string;
  /**
   * Erlang's name server, one for each RabbitMQ, so that nothing of the system is touched;
   * `undefined` for a node of a cluster, which has one for all.
   */
  readonly epmd: ServerProcess | undefined;
}

/** A RabbitMQ for tests and benchmarks, with the user guest and the password guest. */
export class RabbitmqServer extends TestServer {
  /** For clients: with user and password. */
  readonly url: string;
  readonly #node: OwnNode | undefined;

  /**
   * @param url Where it listens.
   * @param own How to run it, or `undefined` for a server that runs already.
   */
  constructor(url: string, own?: { plan: ServerPlan; node: OwnNode }) {
    super(addressOf(url, 5672), own?.plan);
    this.url = url;
    this.#node = own?.node;
  }

  /** Process ids of all that runs for it. */
  get pids(): number[] {
    const { epmd } = this.#ownNode();
    return [this.pid, epmd?.isRunning ? epmd.pid : undefined].filter((pid) => pid !== undefined);
  }

  /**
   * Runs `rabbitmqctl` against it, which takes about 0.4 s.
   *
   * @param args The command and its arguments.
   * @returns What it printed.
   * @throws {Error} If it fails, with what it printed.
   */
  async ctl(...args: string[]): Promise<string> {
    const { ctl, env } = this.#ownNode();
    const run = (...args: string[]) => runProgram(ctl, ["--quiet", ...args], env);
    try {
      return await run(...args);
    } catch (error) {
      // It greets clients a moment before it counts as started.
      if (!NOT_STARTED.test(String((error as Error).cause))) throw error;
      await run("await_startup", "--timeout", `${START_TIMEOUT / 1_000}`);
      return await run(...args);
    }
  }

  /** Opens a console of it, for all that `ctl` is too slow for. To be closed before the server. */
  openConsole(): RabbitmqConsole {
    const { erl, env } = this.#ownNode();
    return new RabbitmqConsole(erl, env);
  }

  /** Stops RabbitMQ in good order, but not the Erlang machine under it. */
  async stopApp(): Promise<void> {
    await this.ctl("stop_app");
  }

  /** Starts RabbitMQ again after {@linkcode stopApp}; it serves when this resolves. */
  async startApp(): Promise<void> {
    await this.ctl("start_app");
  }

  /** Ends it and the name server, and removes its files. */
  override async stop(): Promise<void> {
    await super.stop();
    await this.#node?.epmd?.kill();
  }

  /** True if it greets a client. It does so at the very end of its start. */
  protected override async isReady(): Promise<boolean> {
    const greeting = await exchange(this, "AMQP\0\0\x09\x01", (received) => received[0]);
    return greeting === METHOD_FRAME;
  }

  #ownNode(): OwnNode {
    if (this.#node !== undefined) return this.#node;
    throw new Error(
      `Cannot control the server at ${this.host}:${this.port}: it was not started here`,
    );
  }
}

/** The type of the frame that opens a connection ("AMQP 0-9-1 Specification", 4.2.3). */
const METHOD_FRAME = 1;

/** Error text of `rabbitmqctl` of an Erlang machine on which RabbitMQ does not run, or not yet. */
const NOT_STARTED = /requires the 'rabbit' app to be running/;

/** About 3 s on an idle machine; less so beside other tests. */
const START_TIMEOUT = 120_000;

/** At each look a connection is refused, and a start takes some hundred of the shortest intervals. */
const START_INTERVAL = 50;

/** Variable that names the RabbitMQ which `run_on.ts` starts for all files of a run. */
export const SHARED_VARIABLE = "TEST_SHARED_RABBITMQ_URL";

/**
 * Gives a RabbitMQ that other tests use too: the one that `TEST_RABBITMQ_URL` names, or that of
 * the run, or starts one. Of 5 CPU seconds that a file takes with its own, 2 are the start.
 */
export async function startRabbitmq(): Promise<RabbitmqServer> {
  const url = process.env[ADDRESS_VARIABLES["rabbitmq-server"]] || process.env[SHARED_VARIABLE];
  return url ? attachRabbitmq(url) : await startOwnRabbitmq();
}

/** A RabbitMQ that runs already. */
export function attachRabbitmq(url: string): RabbitmqServer {
  return new RabbitmqServer(url);
}

/** Starts a RabbitMQ, even if the environment names one. */
export async function startOwnRabbitmq(
  { port, config = "", managementPort }: RabbitmqOptions = {},
): Promise<RabbitmqServer> {
  const epmdPort = await freePort();
  const folder = await createServerFolder("rabbitmq-server");
  const server = await prepareRabbitmq(folder, {
    ...{ config, epmdPort, epmd: await startNameServer(folder, epmdPort) },
    ...(port !== undefined && { port }),
    ...(managementPort !== undefined && { managementPort }),
  });
  await server.restart();
  return server;
}

/** Options of {@linkcode prepareRabbitmq}: what it makes a node of. */
export interface NodeOptions extends RabbitmqOptions {
  /** Port on which its name server listens. */
  readonly epmdPort: number;
  /** That name server, if it is to end with the node. @default {undefined} */
  readonly epmd?: ServerProcess;
  /** Name in Erlang, different for each node of a name server. @default {NODE_NAME} */
  readonly nodeName?: string;
  /** Settings of the application `kernel`, in the form of `config`. @default {""} */
  readonly kernel?: string;
}

/**
 * Prepares a RabbitMQ; its `restart` starts it.
 *
 * @param folder Where it keeps its files.
 * @param options How to run it.
 */
export async function prepareRabbitmq(
  folder: string,
  { port, config = "", managementPort, epmdPort, epmd, nodeName, kernel }: NodeOptions,
): Promise<RabbitmqServer> {
  const program = await ensureInstalled("rabbitmq-server");
  const erl = await findErlang("erl");
  const ports: RabbitmqPorts = {
    amqp: port ?? await freePort(),
    distribution: await freePort(),
    epmd: epmdPort,
  };
  const env = {
    ...serverEnvironment(folder, ports, nodeName),
    ...(managementPort === undefined && await makeHome(program, folder)),
  };
  await writeConfig(folder, config, kernel, managementPort);
  return new RabbitmqServer(`amqp://guest:guest@127.0.0.1:${ports.amqp}`, {
    plan: { program, args: [], env, folder, timeout: START_TIMEOUT, interval: START_INTERVAL },
    node: { env, ctl: join(dirname(program), "rabbitmqctl"), erl, epmd },
  });
}

/** Starts a name server of Erlang. */
export async function startNameServer(folder: string, port: number): Promise<ServerProcess> {
  await ensureInstalled("rabbitmq-server");
  return new ServerProcess({
    program: await findErlang("epmd"),
    args: ["-address", "127.0.0.1", "-port", `${port}`],
    folder,
    log: join(folder, "epmd.log"),
  });
}

async function findErlang(name: string): Promise<string> {
  const program = await findProgram(name);
  if (program !== undefined) return program;
  throw new Error(`Cannot start rabbitmq-server: Erlang's ${name} is missing`);
}
