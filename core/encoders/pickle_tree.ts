import { MAX_DEPTH } from "../json_writer.ts";
import { isPart } from "./pickle_calls.ts";
import { PickleError } from "./pickle_reader.ts";

/**
 * How much a pickle may repeat by fetching it from its memo, in values, characters and
 * bytes, besides eight times its own length. A few bytes could otherwise stand for more
 * than any log line, copy or other encoder could ever write out.
 */
export const MAX_REPEATED = 16 * 1024 * 1024;

/** What {@linkcode assertTree} goes by. */
export interface TreeLimits {
  /** Whether anything may be in two places, or in itself. */
  readonly isShared: boolean;
  /** How large it may be, with what is shared counted each time. */
  readonly maxSize: number;
  /** Dicts that went on as something else after they may have been put somewhere. */
  readonly stale: ReadonlyMap<object, unknown>;
}

/** What is known of a container that was gone through. */
interface Measure {
  /** How many containers are in each other, itself included. */
  height: number;
  size: number;
}

/** A container that is being gone through. */
interface Visit extends Measure {
  readonly container: object;
  readonly children: readonly unknown[];
  next: number;
}

/**
 * Makes sure that a value is one which can be gone through: no deeper than `MAX_DEPTH`, not
 * in itself, of a size, and without leftovers of calls. Takes one step for each value, and
 * does not call itself.
 *
 * @param root The value.
 * @param limits What it may be.
 * @throws {PickleError} If it is not such a value.
 */
export function assertTree(root: unknown, limits: TreeLimits): void {
  const measured = new Map<object, Measure>();
  const open = new Set<object>();
  const visits: Visit[] = [];
  const top: Measure = { height: 0, size: 0 };

  function enter(value: unknown): void {
    const into = visits.at(-1) ?? top;
    if (!isContainer(value)) {
      if (isPart(value)) throw new PickleError("it has an import or a time zone as a value");
      into.size += sizeOf(value);
      return;
    }
    if (open.has(value)) throw new PickleError("a value of it is in itself");
    if (limits.stale.has(value)) throw new PickleError("a dict in it changed after it was stored");
    const known = measured.get(value);
    if (visits.length + (known?.height ?? 1) > MAX_DEPTH) {
      throw new PickleError(`it is nested more than ${MAX_DEPTH} deep`);
    }
    if (known !== undefined) return add(into, known);
    if (limits.isShared) open.add(value);
    visits.push({ container: value, children: childrenOf(value), next: 0, height: 1, size: 1 });
  }

  enter(root);
  while (visits.length > 0) {
    const visit = visits.at(-1)!;
    if (visit.next < visit.children.length) {
      enter(visit.children[visit.next++]);
      continue;
    }
    visits.pop();
    if (limits.isShared) {
      open.delete(visit.container);
      measured.set(visit.container, { height: visit.height, size: visit.size });
    }
    if (visit.size > limits.maxSize) throw new PickleError("it repeats itself too often");
    add(visits.at(-1) ?? top, visit);
  }
}

function add(into: Measure, { height, size }: Measure): void {
  into.height = Math.max(into.height, height + 1);
  into.size += size;
}

function sizeOf(value: unknown): number {
  return typeof value === "string" || value instanceof Uint8Array ? 1 + value.length : 1;
}

function isContainer(value: unknown): value is object {
  return Array.isArray(value) || value instanceof Map || value instanceof Set ||
    typeof value === "object" && value !== null &&
      Object.getPrototypeOf(value) === Object.prototype;
}

function childrenOf(container: object): readonly unknown[] {
  if (Array.isArray(container)) return container;
  if (container instanceof Set) return [...container];
  if (container instanceof Map) return [...container.keys(), ...container.values()];
  return Object.values(container);
}
