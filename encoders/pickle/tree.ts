import { MAX_DEPTH } from "../json/writer.ts";
import { isPart } from "./calls.ts";
import { originOf } from "./origin.ts";
import { PickleError } from "./reader.ts";

/**
 * Limit of what a pickle may repeat by fetching it from its memo, in values, characters and
 * bytes, besides eight times its own length. A few bytes could otherwise stand for more
 * than any log line, copy or other encoder could ever write out.
 */
export const MAX_REPEATED = 4 * 1024 * 1024;

/** Limits of {@linkcode assertTree}. */
export interface TreeLimits {
  /** True if anything may be in two places, or in itself. */
  readonly isShared: boolean;
  /** Largest size, with what is shared counted each time. */
  readonly maxSize: number;
  /** Dicts that went on as something else after they may have been put somewhere. */
  readonly stale: ReadonlyMap<object, unknown>;
}

/** Measurements of a visited container. */
interface Measure {
  /** Number of containers that are in each other, itself included. */
  height: number;
  size: number;
  /** True if Python can have it as a key, or in a set. */
  isHashable: boolean;
}

/** A container that is being gone through. */
interface Visit extends Measure {
  readonly container: object;
  readonly children: readonly unknown[];
  /** Number of children, counted from the first, that are keys. */
  readonly keys: number;
  /** Number of children that have been seen. */
  next: number;
}

/**
 * Makes sure that a value is one which can be gone through, and written again: no deeper than
 * `MAX_DEPTH`, not in itself, of a size, with keys that can be keys, and without leftovers of
 * calls. Takes one step for each value, and does not call itself.
 *
 * @param root The value.
 * @param limits What it may be.
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

/** Notes in a container what was found out about its latest child. */
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
  // Of arrays it is not known here which are tuples. As keys they are written as those.
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

/** A value that came as a call is whole, whatever it looks like here. */
function isContainer(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value) || value instanceof Map || value instanceof Set) return true;
  return Object.getPrototypeOf(value) === Object.prototype && originOf(value) === undefined;
}
