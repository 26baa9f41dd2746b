import { access, chown, mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { exchange } from "../../tests/support/servers/exchange.ts";
import { freePort } from "../../tests/support/servers/free_port.ts";
import { runProgram } from "../../tests/support/servers/run_program.ts";
import { type ServerPlan, TestServer } from "../../tests/support/servers/test_server.ts";

/** Folder of the versions of PostgreSQL on Debian. */
const VERSIONS = "/usr/lib/postgresql";
/** It refuses to run as root. */
const USER = "postgres";
/** Nothing has to reach the disk, as with the Redis beside it. */
const SETTINGS = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"];
/** Asks whether TLS is spoken; the answer is one letter (PostgreSQL's "Message Formats"). */
const SSL_REQUEST = "\0\0\0\x08\x04\xd2\x16\x2f";

/** A PostgreSQL for the contestants that keep their messages there. */
class PostgresServer extends TestServer {
  constructor(port: number, plan: ServerPlan) {
    super({ host: "127.0.0.1", port }, plan);
  }

  protected override async isReady(): Promise<boolean> {
    return await exchange(this, SSL_REQUEST, (received) => received[0]) !== undefined;
  }
}

/**
 * Starts a PostgreSQL in a temporary folder.
 *
 * @returns `undefined` where Debian's package `postgresql` is not installed.
 */
export async function startPostgres(): Promise<PostgresServer | undefined> {
  const programs = await findPrograms();
  if (programs === undefined) return undefined;
  const folder = await mkdtemp(join(tmpdir(), "dramatiq-postgres-"));
  const asUser = await becomeUser(folder);
  const data = join(folder, "data");
  const [run, ...args] = [...asUser, join(programs, "initdb"), "-D", data, "-A", "trust"];
  await runProgram(run!, [...args, "-U", USER, "--no-sync"], {});
  const port = await freePort();
  const [program, ...more] = [...asUser, join(programs, "postgres"), "-D", data];
  const server = new PostgresServer(port, {
    program: program!,
    args: [
      ...more,
      ...["-h", "127.0.0.1", "-p", `${port}`, "-k", folder],
      ...SETTINGS.flatMap((setting) => ["-c", setting]),
    ],
    folder,
  });
  await server.restart();
  return server;
}

async function findPrograms(): Promise<string | undefined> {
  const versions = await readdir(VERSIONS).catch(() => []);
  const latest = versions.toSorted((a, b) => Number(b) - Number(a))[0];
  if (latest === undefined) return undefined;
  const programs = join(VERSIONS, latest, "bin");
  return await access(join(programs, "initdb")).then(() => programs, () => undefined);
}

/** Gives the folder to the user of the package if this is root. @returns How to run as they. */
async function becomeUser(folder: string): Promise<string[]> {
  if (process.getuid?.() !== 0) return [];
  const idOf = async (option: string) => Number(await runProgram("id", [option, USER], {}));
  const [uid, gid] = [await idOf("-u"), await idOf("-g")];
  await chown(folder, uid, gid);
  return ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
}
