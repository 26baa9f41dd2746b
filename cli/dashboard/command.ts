import { Command } from "commander";
import { type Dashboard, dashboard, type DashboardOptions } from "../../dashboard/mod.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { addBrokerOption, openBroker, parseBrokerSource } from "../broker_source.ts";
import { OK } from "../exit_codes.ts";
import { Interruption } from "../interruption.ts";
import { writeAll } from "../output.ts";
import type { Program } from "../program.ts";
import { UsageError } from "../usage_error.ts";
import { HttpServer } from "./http_server.ts";
import { logToStandardError } from "./log.ts";
import { passwordAccess, readPassword } from "./password.ts";
import { commandName } from "../command_name.ts";

const STANDARD_OUTPUT = 1;
const PORT = 9192;
const LOOPBACK = /^(?:localhost|127(?:\.\d+){3}|::1)$/;

/** Options as parsed by commander. */
interface Options {
  readonly host: string;
  readonly port: string;
  readonly passwordFile?: string;
  readonly basePath?: string;
  readonly origin?: string;
  readonly readOnly?: true;
}

/**
 * Runs `worker.ts dashboard` until it is told to stop.
 *
 * @param args The arguments after `dashboard`.
 * @param program This program.
 * @returns The exit code.
 */
export async function runDashboard(args: readonly string[], program: Program): Promise<number> {
  const command = makeCommand();
  const source = parseBrokerSource(command, args, program, "show a dashboard");
  if (typeof source === "string") {
    writeAll(STANDARD_OUTPUT, source);
    return OK;
  }
  const options = command.opts<Options>();
  const settings = settingsOf(options);
  const port = portOf(options.port);
  const broker = await openBroker(source);
  const handler = makeHandler({ broker, ...settings });
  await logToStandardError();
  const interruption = new Interruption();
  try {
    const server = await listen(options.host, port, handler);
    const host = options.host.includes(":") ? `[${options.host}]` : options.host;
    const path = `${settings.basePath ?? ""}/`;
    writeAll(STANDARD_OUTPUT, `Dashboard on http://${host}:${server.port}${path}\n`);
    await interruption.requested;
    await server.close();
  } finally {
    interruption.close();
    await handler.close();
    await broker.close();
  }
  return OK;
}

/** @throws {UsageError} If the broker cannot be inspected, or an option is out of range. */
function makeHandler(options: DashboardOptions): Dashboard {
  try {
    return dashboard(options);
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    throw new UsageError(error.message, { cause: error });
  }
}

function makeCommand(): Command {
  return addBrokerOption(new Command(`${commandName()} dashboard`))
    .usage("[options] [module[:broker] [modules…]]")
    .description(
      "Serves pages for browsers: queues, messages, dead letters and workers, with actions on them.",
    )
    .argument("[modules...]")
    .option(
      "--host <address>",
      "the address to listen on; others than loopback need a password",
      "127.0.0.1",
    )
    .option("--port <number>", "the port; 0 for any", `${PORT}`)
    .option("--password-file <path>", "ask for the password in this file (HTTP Basic; use TLS)")
    .option("--base-path <path>", "the path at which a proxy shows it, such as /ops")
    .option("--origin <origin>", "the origin that browsers see, if a proxy changes the host")
    .option("--read-only", "show pages without actions")
    .helpOption("-h, --help", "print this help")
    .addHelpText(
      "after",
      "\nExit codes: 0 stopped on request, 2 wrong arguments, a module that does not import, or an\n" +
        "address that is in use.\n",
    );
}

function settingsOf(options: Options): Omit<DashboardOptions, "broker"> {
  const { host, passwordFile, basePath, origin, readOnly } = options;
  if (passwordFile === undefined && !LOOPBACK.test(host)) {
    throw new UsageError(
      `Cannot serve the dashboard on ${host} without a password: whoever reaches it could drop ` +
        "messages; give --password-file",
    );
  }
  return {
    access: passwordFile === undefined ? "loopback" : passwordAccess(readPassword(passwordFile)),
    ...(basePath !== undefined && { basePath }),
    ...(origin !== undefined && { origin }),
    ...(readOnly && { readOnly }),
  };
}

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isSafeInteger(port) && port >= 0 && port <= 65_535 && text.trim() !== "") return port;
  throw new UsageError(`Cannot listen on port "${text}": it must be a number from 0 to 65535`);
}

async function listen(
  host: string,
  port: number,
  handler: (request: Request) => Promise<Response>,
): Promise<HttpServer> {
  try {
    return await HttpServer.listen(host, port, handler);
  } catch (error) {
    throw new UsageError(`Cannot listen on ${host}:${port}: ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
