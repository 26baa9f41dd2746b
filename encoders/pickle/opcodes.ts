/**
 * The opcodes of the pickle protocols 0 to 5: the code, the name and the effect of
 * each.
 *
 * Source: the documentation of Python's `pickletools`.
 *
 * @module
 */
import type { PickleMachine } from "./machine.ts";
import { noteOrigin } from "./origin.ts";
import { PickleError } from "./reader.ts";

/** The latest protocol that is read. */
const LAST_PROTOCOL = 5;

/** One row of the table. */
export interface Opcode {
  /** Its name in Python. */
  readonly name: string;
  /** Executes it. */
  run(machine: PickleMachine): void;
}

type Row = readonly [code: number | string, name: string, run: Opcode["run"]];

const VALUES: readonly Row[] = [
  ["N", "NONE", (m) => m.push(null)],
  [0x88, "NEWTRUE", (m) => m.push(true)],
  [0x89, "NEWFALSE", (m) => m.push(false)],
  ["I", "INT", (m) => m.push(m.reader.intLine())],
  ["J", "BININT", (m) => m.push(m.reader.int32())],
  ["K", "BININT1", (m) => m.push(m.reader.uint8())],
  ["M", "BININT2", (m) => m.push(m.reader.uint16())],
  ["L", "LONG", (m) => m.push(m.reader.integerLine())],
  [0x8a, "LONG1", (m) => m.push(m.reader.integer(m.reader.uint8()))],
  [0x8b, "LONG4", (m) => m.push(m.reader.integer(m.reader.uint32()))],
  ["F", "FLOAT", (m) => m.pushFloat(m.reader.floatLine())],
  ["G", "BINFLOAT", (m) => m.pushFloat(m.reader.float64())],
  ["V", "UNICODE", (m) => m.push(m.reader.unicodeLine())],
  ["X", "BINUNICODE", (m) => m.push(m.reader.text(m.reader.uint32()))],
  [0x8c, "SHORT_BINUNICODE", (m) => m.push(m.reader.text(m.reader.uint8()))],
  [0x8d, "BINUNICODE8", (m) => m.push(m.reader.text(m.reader.uint64()))],
  ["S", "STRING", (m) => m.push(m.reader.quotedLine())],
  ["T", "BINSTRING", (m) => m.push(m.reader.asciiText(m.reader.uint32()))],
  ["U", "SHORT_BINSTRING", (m) => m.push(m.reader.asciiText(m.reader.uint8()))],
  ["B", "BINBYTES", (m) => m.push(m.reader.bytes(m.reader.uint32()))],
  ["C", "SHORT_BINBYTES", (m) => m.push(m.reader.bytes(m.reader.uint8()))],
  [0x8e, "BINBYTES8", (m) => m.push(m.reader.bytes(m.reader.uint64()))],
  [0x96, "BYTEARRAY8", (m) => m.push(noteOrigin(m.reader.bytes(m.reader.uint64()), "bytearray"))],
];

const CONTAINERS: readonly Row[] = [
  ["]", "EMPTY_LIST", (m) => m.pushList([])],
  ["l", "LIST", (m) => m.pushList(m.popMark())],
  ["a", "APPEND", (m) => m.append([m.pop()])],
  ["e", "APPENDS", (m) => m.append(m.popMark())],
  [")", "EMPTY_TUPLE", (m) => m.pushTuple([])],
  ["t", "TUPLE", (m) => m.pushTuple(m.popMark())],
  [0x85, "TUPLE1", (m) => m.pushTuple([m.pop()])],
  [0x86, "TUPLE2", (m) => m.pushTuple([m.pop(), m.pop()].reverse())],
  [0x87, "TUPLE3", (m) => m.pushTuple([m.pop(), m.pop(), m.pop()].reverse())],
  ["}", "EMPTY_DICT", (m) => m.pushDict([])],
  ["d", "DICT", (m) => m.pushDict(m.popMark())],
  ["s", "SETITEM", (m) => m.setItems([m.pop(), m.pop()].reverse())],
  ["u", "SETITEMS", (m) => m.setItems(m.popMark())],
  [0x8f, "EMPTY_SET", (m) => m.pushSet([])],
  [0x90, "ADDITEMS", (m) => m.addItems(m.popMark())],
  [0x91, "FROZENSET", (m) => m.pushSet(m.popMark(), "frozenset")],
];

const STACK: readonly Row[] = [
  [0x80, "PROTO", (m) => assertProtocol(m.reader.uint8())],
  [0x95, "FRAME", (m) => assertFrame(m)],
  ["(", "MARK", (m) => m.mark()],
  ["0", "POP", (m) => m.discard()],
  ["1", "POP_MARK", (m) => void m.popMark()],
  ["2", "DUP", (m) => m.duplicate()],
  ["p", "PUT", (m) => m.put(m.reader.integerLine())],
  ["q", "BINPUT", (m) => m.put(m.reader.uint8())],
  ["r", "LONG_BINPUT", (m) => m.put(m.reader.uint32())],
  [0x94, "MEMOIZE", (m) => m.memoize()],
  ["g", "GET", (m) => m.get(m.reader.integerLine())],
  ["h", "BINGET", (m) => m.get(m.reader.uint8())],
  ["j", "LONG_BINGET", (m) => m.get(m.reader.uint32())],
];

const CALLS: readonly Row[] = [
  ["c", "GLOBAL", (m) => m.pushCallable("GLOBAL", m.reader.line(), m.reader.line())],
  [0x93, "STACK_GLOBAL", (m) => {
    const name = m.pop();
    m.pushCallable("STACK_GLOBAL", m.pop(), name);
  }],
  ["R", "REDUCE", (m) => m.reduce()],
  ["b", "BUILD", /* @__PURE__ */ refuse("BUILD")],
  ["i", "INST", /* @__PURE__ */ refuse("INST")],
  ["o", "OBJ", /* @__PURE__ */ refuse("OBJ")],
  [0x81, "NEWOBJ", /* @__PURE__ */ refuse("NEWOBJ")],
  [0x92, "NEWOBJ_EX", /* @__PURE__ */ refuse("NEWOBJ_EX")],
  [0x82, "EXT1", /* @__PURE__ */ refuse("EXT1")],
  [0x83, "EXT2", /* @__PURE__ */ refuse("EXT2")],
  [0x84, "EXT4", /* @__PURE__ */ refuse("EXT4")],
  ["P", "PERSID", /* @__PURE__ */ refuse("PERSID")],
  ["Q", "BINPERSID", /* @__PURE__ */ refuse("BINPERSID")],
  [0x97, "NEXT_BUFFER", /* @__PURE__ */ refuse("NEXT_BUFFER")],
  [0x98, "READONLY_BUFFER", /* @__PURE__ */ refuse("READONLY_BUFFER")],
];

/** Ends a pickle; bytes after it are ignored, as in Python. */
export const STOP = 0x2e;

/** The opcodes by their codes. */
export const OPCODES: readonly (Opcode | undefined)[] = /* @__PURE__ */ table();

function table(): (Opcode | undefined)[] {
  const opcodes = new Array<Opcode | undefined>(256).fill(undefined);
  for (const [code, name, run] of [...VALUES, ...CONTAINERS, ...STACK, ...CALLS]) {
    opcodes[typeof code === "string" ? code.charCodeAt(0) : code] = { name, run };
  }
  return opcodes;
}

function refuse(name: string): Opcode["run"] {
  return () => {
    throw new PickleError(
      `${name} would create an instance of a class, or load an external object`,
    );
  };
}

function assertProtocol(version: number): void {
  if (version <= LAST_PROTOCOL) return;
  throw new PickleError(`it is of protocol ${version}; up to ${LAST_PROTOCOL} can be read`);
}

function assertFrame({ reader }: PickleMachine): void {
  const length = reader.uint64();
  if (length <= reader.length - reader.position) return;
  throw new PickleError(`a frame of ${length} bytes is cut off`);
}
