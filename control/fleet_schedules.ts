import type { ControlEntry } from "../core/control_store.ts";
import type { Schedule } from "../core/schedules.ts";
import { timingOf } from "./ticks.ts";
import { WORKER_PREFIX } from "./workers.ts";

/** Key prefix of the schedules of workers, by their digest. */
export const SPECS_PREFIX = "specs/";
/** Key prefix of the last start or stop of a worker with schedules, by the digest of those. */
export const BOOT_PREFIX = "boot/";

/** A worker that is alive and has schedules. */
interface Member {
  readonly bootedAt: number;
  readonly seenAt: number;
  readonly digest: string;
}

/** A schedule as the youngest living worker that has it declares it. */
export interface DeclaredSchedule {
  readonly schedule: Schedule;
  /** Its JSON: schedules are the same if this is. */
  readonly text: string;
}

/** The last worker with a schedule that has gone. */
interface Departed {
  readonly timing: string;
  readonly seenAt: number;
}

/**
 * Knows which workers are alive and what they declare. Of each schedule the definition of the youngest
 * worker counts: in a rolling deploy that of the new code, after a rollback that of the old one.
 */
export class FleetSchedules {
  readonly #members: Map<string, Member> = new Map();
  readonly #specs: Map<string, ReadonlyMap<string, DeclaredSchedule>> = new Map();
  readonly #departed: Map<string, Departed> = new Map();
  /** True once it is known who is alive. Before, entries may tell of workers that are long dead. */
  #isComplete = false;

  /** Digests that are known by name only. */
  get unknown(): string[] {
    const all = new Set([...this.#members.values()].map(({ digest }) => digest));
    return [...all].filter((digest) => !this.#specs.has(digest));
  }

  /** The names of all schedules that a living worker declares. */
  get names(): string[] {
    const names = [...this.#members.values()]
      .flatMap(({ digest }) => [...this.#specs.get(digest)?.keys() ?? []]);
    return [...new Set(names)].toSorted();
  }

  /** Learns schedules by their digest. */
  learn(digest: string, schedules: readonly Schedule[]): void {
    this.#specs.set(
      digest,
      new Map(schedules.map((schedule) => {
        return [schedule.name, { schedule, text: JSON.stringify(schedule) }];
      })),
    );
  }

  /** Learns what an entry `specs/…` holds. */
  learnEntry({ key, value }: ControlEntry): void {
    if (!Array.isArray(value)) return;
    this.learn(key.slice(SPECS_PREFIX.length), value as unknown as Schedule[]);
  }

  /** Notes a worker that is alive. */
  add(id: string, member: Member): void {
    this.#members.set(id, member);
  }

  /** Notes that a worker has gone. */
  remove(id: string): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#members.delete(id);
    if (!this.#isComplete) return;
    for (const [name, { schedule }] of this.#specs.get(member.digest) ?? []) {
      this.#departed.set(name, { timing: timingOf(schedule), seenAt: member.seenAt });
    }
  }

  /**
   * Takes over who is alive.
   *
   * @param entries All entries `worker/…`.
   * @param self The worker that stays, whatever they say.
   */
  refresh(entries: readonly ControlEntry[], self?: string): void {
    const alive = new Set(entries.map(({ key }) => key.slice(WORKER_PREFIX.length)));
    for (const id of [...this.#members.keys()]) {
      if (!alive.has(id) && id !== self) this.remove(id);
    }
    for (const { key, value } of entries) {
      const { schedules, bootedAt, seenAt } = value as Readonly<Record<string, unknown>>;
      if (typeof schedules !== "string" || typeof bootedAt !== "number") continue;
      const id = key.slice(WORKER_PREFIX.length);
      if (id === self) continue;
      const seen = typeof seenAt === "number" ? seenAt : bootedAt;
      this.add(id, { digest: schedules, bootedAt, seenAt: seen });
    }
    this.#isComplete = true;
  }

  /** A schedule as it counts now; nothing if no living worker has it. */
  find(name: string): DeclaredSchedule | undefined {
    let youngest: { id: string; bootedAt: number; declared: DeclaredSchedule } | undefined;
    for (const [id, { bootedAt, digest }] of this.#members) {
      const declared = this.#specs.get(digest)?.get(name);
      if (declared === undefined) continue;
      const isYounger = youngest === undefined || bootedAt > youngest.bootedAt ||
        (bootedAt === youngest.bootedAt && id > youngest.id);
      if (isYounger) youngest = { id, bootedAt, declared };
    }
    return youngest?.declared;
  }

  /**
   * When the last worker was seen that had a schedule with other times, if none is left: its
   * ticks are made up from then on.
   *
   * @param name The schedule.
   * @param timing Its times then.
   */
  lastSeen(name: string, timing: string): number | undefined {
    const departed = this.#departed.get(name);
    if (departed?.timing !== timing) return undefined;
    for (const { digest } of this.#members.values()) {
      const other = this.#specs.get(digest)?.get(name);
      if (other !== undefined && timingOf(other.schedule) === timing) return undefined;
    }
    return departed.seenAt;
  }
}
