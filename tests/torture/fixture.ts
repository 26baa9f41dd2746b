import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { runtime } from "../../platform/runtime.ts";
import { startProxy, type TcpProxy } from "../support/servers/proxy.ts";
import { ServerProcess } from "../support/servers/server_process.ts";
import { until } from "../support/servers/until.ts";
import type { Incident } from "./causes.ts";
import type { Fault } from "./faults.ts";
import { JournalReader } from "./journal.ts";
import { Ledger } from "./ledger.ts";
import { isWorker, type Program, type Target } from "./target.ts";

/** Role of a place: what runs there,: a program beside this file, and what it is told besides the obvious. */
export interface Role {
  /** Its name. */
  readonly program: Program;
  /** Arguments. */
  readonly told: Readonly<Record<string, unknown>>;
}

/** A process and its notes. */
interface Member {
  readonly name: string;
  readonly process: ServerProcess;
  readonly reader: JournalReader;
}

/** Place where one process after another runs, behind a proxy of its own. */
interface Place {
  readonly name: string;
  readonly role: Role;
  readonly link: TcpProxy;
  member: Member;
  generation: number;
  /** Resolves when no worker is being replaced. */
  free: Promise<void>;
}

const FOLDER = dirname(fileURLToPath(import.meta.url));
const ROOT = dirname(dirname(FOLDER));
/** A failed consumer starts again sooner than by default, for there are many failures here. */
const ENVIRONMENT = { dramatiq_restart_delay: "250" };
/** Milliseconds without a note after which no more are expected. */
const STANDSTILL = 60_000;
/** Milliseconds that a kill waits for a worker that has nothing to do. */
const TIMEOUT = 5_000;
/** Milliseconds in which a silent connection is given up by those who use it. */
const LONGEST_SILENCE = 10_000;
const LINES_TO_SHOW = 20;

/** Everything that runs: a server, processes, a proxy for each, and what they note. */
export class Fixture implements AsyncDisposable {
  /** Ledger of what the processes noted. */
  readonly ledger: Ledger = new Ledger();
  /** Incidents: what was done to them. */
  readonly incidents: Incident[] = [];
  /** The server, to be asked without a proxy. */
  readonly target: Target;
  /** For journals and output: that of the server, which goes when this process goes. */
  readonly #folder: string;
  readonly #places: Place[] = [];
  /** Milliseconds since the epoch after which nothing is waited for. */
  readonly #deadline: number;
  #lastNote: number = performance.now();
  /** One restart at a time. */
  #restarted: Promise<void> = Promise.resolve();
  readonly #killed: Set<string> = new Set();

  /**
   * Makes a fleet without workers.
   *
   * @param target The server. It is stopped at the end.
   * @param deadline Milliseconds since the epoch after which nothing is waited for.
   */
  constructor(target: Target, deadline: number) {
    this.target = target;
    this.#folder = target.folder;
    this.#deadline = deadline;
  }

  /** Starts a process in a new place. */
  async add(role: Role): Promise<void> {
    const link = await startProxy(this.target);
    const name = `${role.program} ${this.#places.length}`;
    const member = this.#start(name, role, link, 0);
    this.#places.push({ name, role, link, member, generation: 0, free: Promise.resolve() });
  }

  /** The names of the processes that run messages now. */
  get workers(): string[] {
    return this.#names(isWorker);
  }

  /** The names of the processes that send. */
  get producers(): string[] {
    return this.#names((program) => !isWorker(program));
  }

  /** Asks the workers to end. */
  endWorkers(): void {
    for (const { role, member } of this.#places) {
      if (isWorker(role.program)) process.kill(member.process.pid, "SIGTERM");
    }
  }

  /**
   * Waits for something.
   *
   * @param what What, after "Cannot ".
   * @param condition Whether it has happened.
   * @throws {Error} If it has not happened at the deadline, a process ended by itself, or
   *   nothing happens at all.
   */
  async wait(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    let failure: unknown;
    await until(async () => {
      try {
        this.#read();
      } catch (error) {
        failure = error;
        return true;
      }
      return await condition();
    }, { what, timeout: this.#deadline - Date.now() });
    if (failure !== undefined) throw failure;
  }

  /** Does something bad, and resolves when it is over. */
  async enact(fault: Fault): Promise<void> {
    if (fault.kind === "kill") return await this.#replace(fault.place, TIMEOUT);
    if (fault.kind === "restart") {
      this.#restarted = this.#restarted.then(() => this.#restart(fault.duration, fault.killed));
      return await this.#restarted;
    }
    const places = fault.place === "all" ? this.#places : [this.#places[fault.place]!];
    const target = fault.place === "all" ? undefined : places[0]!.name;
    const incident: Incident = { kind: fault.kind, target, from: Date.now(), to: Infinity };
    this.incidents.push(incident);
    if (fault.kind === "cut") {
      await Promise.all(places.map(({ link }) => link.cut()));
    } else if (fault.kind === "freeze") {
      for (const { link } of places) link.freeze();
      await delay(fault.duration);
      for (const { link } of places) link.thaw();
    } else if (fault.kind === "silence") {
      for (const { link } of places) link.begin({ kind: "silent", answers: 0 });
      await delay(fault.duration);
      for (const { link } of places) link.heal();
      // Until then it goes on for those who talk. One that has nothing to say may stay silent.
      await until(() => Promise.resolve(places.every(({ link }) => link.silentConnections === 0)), {
        what: "see silent connections given up",
        timeout: LONGEST_SILENCE,
      }).catch(() => {});
    } else {
      const { member } = places[0]!;
      member.process.signal("SIGSTOP");
      await delay(fault.duration);
      member.process.signal("SIGCONT");
    }
    incident.to = Date.now();
  }

  /** @returns The last lines that each process printed, if it printed any. */
  async lastOutput(): Promise<string> {
    const outputs = await Promise.all(this.#places.map(async ({ member: { name } }) => {
      const text = await readFile(join(this.#folder, `${name}.log`), "utf8").catch(() => "");
      return text === "" ? [] : [`${name}:`, ...text.trimEnd().split("\n").slice(-LINES_TO_SHOW)];
    }));
    return outputs.flat().join("\n");
  }

  /** Ends everything, whatever state it is in, and removes the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#places.map(async ({ member, link }) => {
      await member.process.kill();
      member.reader.close();
      await link[Symbol.asyncDispose]();
    }));
    await this.target[Symbol.asyncDispose]();
  }

  #names(isMeant: (program: Program) => boolean): string[] {
    return this.#places.filter(({ role }) => isMeant(role.program))
      .map(({ member }) => member.name);
  }

  #start(placeName: string, { program, told }: Role, link: TcpProxy, generation: number): Member {
    const name = `${placeName}.${generation}`;
    const journal = join(this.#folder, `${name}.journal`);
    const broker = this.target.brokerFor(program, link);
    return {
      name,
      reader: new JournalReader(journal),
      process: new ServerProcess({
        program: process.execPath,
        args: [
          ...(runtime === "deno" ? ["run", "-A"] : []),
          join(FOLDER, `${program}.ts`),
          JSON.stringify({ ...told, broker, journal }),
        ],
        env: ENVIRONMENT,
        folder: ROOT,
        log: join(this.#folder, `${name}.log`),
      }),
    };
  }

  #read(): void {
    for (const { member: { name, process, reader } } of this.#places) {
      // Asked before the notes are read: the last one is written before the end.
      const { isRunning } = process;
      const entries = reader.read();
      for (const entry of entries) this.ledger.add(name, entry);
      if (entries.length > 0) this.#lastNote = performance.now();
      if (isRunning || this.#killed.has(name) || this.ledger.closed.has(name)) continue;
      throw new Error(`${name} ended by itself`);
    }
    if (performance.now() - this.#lastNote > STANDSTILL) {
      throw new Error(`nothing has happened for ${STANDSTILL} ms`);
    }
  }

  /** Kills a worker, and puts a new one in its place. */
  #replace(index: number, timeout: number): Promise<void> {
    const place = this.#places[index]!;
    place.free = place.free.then(async () => {
      const { name, process, reader } = place.member;
      if (timeout > 0) {
        await until(() => {
          this.#read();
          return Promise.resolve(this.ledger.runningOn(name) > 0);
        }, { what: `catch ${name} at work`, timeout: timeout }).catch(() => {});
      }
      this.#killed.add(name);
      const incident: Incident = { kind: "kill", target: name, from: Date.now(), to: Infinity };
      this.incidents.push(incident);
      await process.kill();
      incident.to = Date.now();
      for (const entry of reader.read()) this.ledger.add(name, entry);
      reader.close();
      place.generation++;
      place.member = this.#start(place.name, place.role, place.link, place.generation);
    });
    return place.free;
  }

  async #restart(duration: number, killed: number | undefined): Promise<void> {
    const incident: Incident = {
      kind: "restart",
      target: undefined,
      from: Date.now(),
      to: Infinity,
    };
    this.incidents.push(incident);
    await this.target.takeDown();
    if (killed !== undefined) await this.#replace(killed, 0);
    await delay(duration);
    await this.target.bringBack();
    incident.to = Date.now();
  }
}
