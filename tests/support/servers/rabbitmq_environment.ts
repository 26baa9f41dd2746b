import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Ports on which a RabbitMQ and what it needs listen on 127.0.0.1. */
export interface RabbitmqPorts {
  /** For clients. */
  readonly amqp: number;
  /** For `rabbitmqctl`. */
  readonly distribution: number;
  /** Of the name server, through which `rabbitmqctl` finds the node. */
  readonly epmd: number;
}

/** The name of a node that shares its name server with no other. */
export const NODE_NAME = "rabbit@localhost";

/**
 * The variables for `rabbitmq-server` and `rabbitmqctl` (RabbitMQ's "Configuration" and "File and Directory
 * Locations" guides): all files in one folder, nothing from /etc/rabbitmq.
 *
 * @param folder Where it keeps its files.
 * @param ports Where it listens.
 * @param nodeName What Erlang calls it, different for each node of a name server.
 */
export function serverEnvironment(
  folder: string,
  ports: RabbitmqPorts,
  nodeName = NODE_NAME,
): Record<string, string> {
  return {
    HOME: folder, // Erlang makes its cookie there, the secret that both share.
    ERL_EPMD_PORT: `${ports.epmd}`,
    // Every Erlang machine is to stay on the loopback interface and to start no name server.
    ERL_AFLAGS: `-start_epmd false -kernel inet_dist_use_interface {127,0,0,1} ${NO_BUSY_WAIT}`,
    RABBITMQ_NODENAME: nodeName,
    RABBITMQ_NODE_IP_ADDRESS: "127.0.0.1",
    RABBITMQ_NODE_PORT: `${ports.amqp}`,
    RABBITMQ_DIST_PORT: `${ports.distribution}`,
    RABBITMQ_CONF_ENV_FILE: join(folder, "none"),
    RABBITMQ_CONFIG_FILE: configFile(folder),
    RABBITMQ_CONFIG_FILES: join(folder, "conf.d"),
    RABBITMQ_ENABLED_PLUGINS_FILE: pluginsFile(folder),
    RABBITMQ_FEATURE_FLAGS_FILE: join(folder, "feature_flags"),
    RABBITMQ_GENERATED_CONFIG_DIR: join(folder, "generated"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_LOGS: "-",
    RABBITMQ_MNESIA_BASE: join(folder, "mnesia"),
    RABBITMQ_PID_FILE: join(folder, "pid"),
    ...START_QUICKLY,
  };
}

/**
 * Has the threads of an Erlang machine sleep between any two tasks, instead of looking for the next
 * one: beside other tests that takes a fifth of the processor time of a server with little to do. Alone, it
 * starts in 2.4 s instead of 1.9.
 */
const NO_BUSY_WAIT = "+sbwt none +sbwtdcpu none +sbwtdio none";

const START_QUICKLY = {
  // The same for the server, which has flags of its own.
  RABBITMQ_SCHEDULER_BUSY_WAIT_THRESHOLD: "none",
  // A table for a million processes takes its time.
  RABBITMQ_MAX_NUMBER_OF_PROCESSES: "65536",
  // Makes the start script become the server, instead of staying as its parent. Then
  // there is one process to kill.
  RUNNING_UNDER_SYSTEMD: "true",
};

/**
 * Writes the configuration.
 *
 * @param folder Where RabbitMQ keeps its files.
 * @param rabbit Settings of the application `rabbit` as Erlang terms, separated by commas.
 * @param kernel The same for the application `kernel`.
 * @param managementPort Port of the HTTP API; none without it.
 */
export async function writeConfig(
  folder: string,
  rabbit: string,
  kernel = "",
  managementPort?: number,
): Promise<void> {
  const management = managementPort === undefined
    ? ""
    : `, {rabbitmq_management, [{listener, [{port, ${managementPort}}, {ip, "127.0.0.1"}]}]}`;
  // In Erlang's own form: translating the other one takes a second more.
  await writeFile(
    configFile(folder),
    `[{kernel, [${kernel}]}, {rabbit, [${rabbit}]}${management}].\n`,
  );
  await writeFile(pluginsFile(folder), `[${management && "rabbitmq_management"}].\n`);
}

function configFile(folder: string): string {
  return join(folder, "rabbitmq.config");
}

function pluginsFile(folder: string): string {
  return join(folder, "enabled_plugins");
}
