import type { ControlEntry } from "../core/control_store.ts";
import type { Schedule } from "../core/schedules.ts";
import { stringify } from "../platform/json_values.ts";
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

/** A schedule, as the live worker that started last declares it. */
export interface DeclaredSchedule {
  readonly schedule: Schedule;
  /** JSON of the schedule, for comparison. */
  readonly text: string;
}

/** The last worker with a schedule that has stopped or died. */
interface Departed {
  readonly timing: string;
  readonly seenAt: number;
}

/**
 * The live workers and the schedules that they declare. If definitions of a schedule differ, that
 * of the worker that started last counts: the new code's in a rolling deploy, the old code's after
 * a rollback.
 */
export class FleetSchedules {
  readonly #members: Map<string, Member> = new Map();
  readonly #specs: Map<string, ReadonlyMap<string, DeclaredSchedule>> = new Map();
  readonly #departed: Map<string, Departed> = new Map();
  /** True after the first refresh. Before, members may be workers that died long ago. */
  #isComplete = false;

  /** Digests whose schedules have not been read yet. */
  get unknown(): string[] {
    const all = new Set([...this.#members.values()].map(({ digest }) => digest));
    return [...all].filter((digest) => !this.#specs.has(digest));
  }

  /** Names of the schedules of all live workers. */
  get names(): string[] {
    const names = [...this.#members.values()]
      .flatMap(({ digest }) => [...this.#specs.get(digest)?.keys() ?? []]);
    return [...new Set(names)].toSorted();
  }

  /** Adds the schedules of a digest. */
  learn(digest: string, schedules: readonly Schedule[]): void {
    this.#specs.set(
      digest,
      new Map(schedules.map((schedule) => {
        return [schedule.name, { schedule, text: stringify(schedule) }];
      })),
    );
  }

  /** Adds the schedules of an entry `specs/…`. */
  learnEntry({ key, value }: ControlEntry): void {
    if (!Array.isArray(value)) return;
    this.learn(key.slice(SPECS_PREFIX.length), value as unknown as Schedule[]);
  }

  /** Adds a live worker. */
  add(id: string, member: Member): void {
    this.#members.set(id, member);
  }

  /** Removes a worker that has stopped or died. */
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
   * Replaces the live workers.
   *
   * @param entries All entries `worker/…`.
   * @param self The id of this worker, which stays.
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

  /** The current definition of a schedule; `undefined` if no live worker has it. */
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
   * The time at which the last worker with an earlier timing of a schedule was seen, if no live
   * worker has that timing. Ticks are made up from then on.
   *
   * @param name The schedule.
   * @param timing The earlier timing.
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
