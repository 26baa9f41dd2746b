import { MAX_DEPTH } from "../json/writer.ts";
import { isPart } from "./calls.ts";
import { originOf } from "./origin.ts";
import { PickleError } from "./reader.ts";

/**
 * Number of values, characters and bytes that a pickle may repeat by fetching them from its memo,
 * in addition to eight times its own length. Otherwise a few bytes could stand for more than any
 * log line, copy or other encoder could ever write out.
 */
export const MAX_REPEATED = 4 * 1024 * 1024;

/** Limits of {@linkcode assertTree}. */
export interface TreeLimits {
  /** True if a value may occur in two places, or contain itself. */
  readonly isShared: boolean;
  /** Largest size; a shared value counts each time. */
  readonly maxSize: number;
  /** Dicts that became a `Map` after they may have been put into a container. */
  readonly stale: ReadonlyMap<object, unknown>;
}

/** Measurements of a visited container. */
interface Measure {
  /** Depth of nested containers, itself included. */
  height: number;
  size: number;
  /** True if Python accepts it as a key or in a set. */
  isHashable: boolean;
}

/** A container that is being visited. */
interface Visit extends Measure {
  readonly container: object;
  readonly children: readonly unknown[];
  /** Number of children, counted from the first, that are keys. */
  readonly keys: number;
  /** Number of children that have been visited. */
  next: number;
}

/**
 * Makes sure that a value can be walked and written again: it is no deeper than `MAX_DEPTH`, does
 * not contain itself, is not too large, and has valid keys and no parts of calls. Takes one step
 * for each value, without recursion.
 *
 * @param root The value.
 * @param limits Its limits.
 * @throws {PickleError} If it is not such a value.
 */
export function assertTree(root: unknown, limits: TreeLimits): void {
  const measured = new Map<object, Measure>();
  const open = new Set<object>();
  const visits: Visit[] = [];

  function enter(value: unknown): void {
    if (!isContainer(value)) {
      if (isPart(value)) throw new PickleError("it has an import or a time zone as a value");
      return add(visits.at(-1), leaf(value));
    }
    if (open.has(value)) throw new PickleError("a value contains itself");
    if (limits.stale.has(value)) throw new PickleError("a dict in it changed after it was stored");
    const known = measured.get(value);
    if (visits.length + (known?.height ?? 1) > MAX_DEPTH) {
      throw new PickleError(`it is nested more than ${MAX_DEPTH} deep`);
    }
    if (known !== undefined) return add(visits.at(-1), known);
    if (limits.isShared) open.add(value);
    visits.push(begin(value));
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
      const { height, size, isHashable } = visit;
      measured.set(visit.container, { height, size, isHashable });
    }
    if (visit.size > limits.maxSize) throw new PickleError("it repeats itself too often");
    add(visits.at(-1), visit);
  }
}

/** Adds the measurements of the latest child to its container. */
function add(into: Visit | undefined, { height, size, isHashable }: Measure): void {
  if (into === undefined) return;
  if (into.next <= into.keys && !isHashable) {
    throw new PickleError("a dict, a set or a bytearray is a key in it, or in a set");
  }
  into.height = Math.max(into.height, height + 1);
  into.size += size;
  into.isHashable &&= isHashable;
}

function begin(container: object): Visit {
  const start = { container, next: 0, height: 1, size: 1 };
  // It is unknown here which arrays are tuples. As keys, all are written as tuples.
  if (Array.isArray(container)) return { ...start, children: container, keys: 0, isHashable: true };
  if (container instanceof Set) {
    const isHashable = originOf(container) === "frozenset";
    return { ...start, children: [...container], keys: container.size, isHashable };
  }
  if (container instanceof Map) {
    const children = [...container.keys(), ...container.values()];
    return { ...start, children, keys: container.size, isHashable: false };
  }
  return { ...start, children: Object.values(container), keys: 0, isHashable: false };
}

function leaf(value: unknown): Measure {
  const isHashable = !(value instanceof Uint8Array) || originOf(value) !== "bytearray";
  return { height: 0, size: sizeOf(value), isHashable };
}

function sizeOf(value: unknown): number {
  return typeof value === "string" || value instanceof Uint8Array ? 1 + value.length : 1;
}

/** A value that was read from a call counts as one value without children. */
function isContainer(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) return true;
  return Object.getPrototypeOf(value) === Object.prototype && originOf(value) === undefined;
}
