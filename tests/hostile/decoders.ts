/**
 * Everything that decodes what strangers may have written, and inputs that are almost right.
 *
 * @module
 */
import { DecodeError, JSONEncoder, Message, PickleEncoder, ResultFailure } from "@dq/dramatiq";
import { RecordReader } from "../../cli/ipc.ts";
import { fromStored } from "../../results/stored_result.ts";
import type { Random } from "../torture/random.ts";
import { fromBase64 } from "../support/vectors.ts";
import messages from "../vectors/messages.json" with { type: "json" };
import pickles from "../vectors/pickle.json" with { type: "json" };

/** Something that decodes. */
export interface Decoder {
  /** Decodes; throws only what it is allowed to. */
  decode(data: Uint8Array): void;
  /** Inputs that it takes. */
  readonly seeds: readonly Uint8Array[];
  /** Pieces that mean something to it. */
  readonly pieces: readonly Uint8Array[];
  /** Inputs that grow with a number, for the time that they take. */
  readonly grown: Readonly<Record<string, (size: number) => Uint8Array>>;
}

const utf8 = new TextEncoder();
const json = new JSONEncoder();
const pickle = new PickleEncoder();

const JSON_SEEDS = [...messages.cases, ...messages.decode_cases]
  .flatMap((one) => "utf8" in one && typeof one.utf8 === "string" ? [utf8.encode(one.utf8)] : [])
  .filter(({ length }) => length < 2_000);

const RESULT_SEEDS = [
  `{"__t":"dramatiq.results.Result","exn":{"type":"ValueError","msg":"boom"}}`,
  `{"__t":"dramatiq.results.Result","exn":{"type":"E","msg":"m","traceback":"t"}}`,
  `[1,{"a":null},"é"]`,
].map((text) => utf8.encode(text));

const RECORD_SEEDS = [
  `{"type":"ready","text":"Working","forks":1}\n`,
  `{"type":"log","time":1,"level":"info","logger":"a","text":"t","properties":{"a":[1]}}\n`,
  `{"type":"status","uptime":1,"inFlight":0,"done":0,"failed":0,"retried":0}\n`,
].map((text) => utf8.encode(text));

const JSON_PIECES = [
  ...`"|\\|\\u|\\ud83d|{|}|[|]|,|:|-|0|1e999|1.0|-0|NaN|Infinity|null|true|\x00|\xff`.split("|"),
  ...[`"__proto__":{"polluted":1}`, `"constructor":1`, `"\\u005f_proto__":[]`, `"queue_name":"x"`],
  ...[`9007199254740993`, `"1":1`, `"".`, "[".repeat(1_000), `{"a":`.repeat(1_000), "\ud83d"],
].map((text) => utf8.encode(text));

const PICKLE_SEEDS = [...pickles.cases, ...pickles.pickle_only_cases, ...pickles.decode_cases]
  .map(({ base64 }) => fromBase64(base64))
  .filter(({ length }) => length < 2_000);

const PICKLE_PIECES = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  ...[
    "cos\nsystem\n",
    "\x8c\x09__proto__",
    "X\xff\xff\xff\x7f",
    "h\0h\0\x86\x94",
    "]".repeat(1_000),
  ]
    .map((text) => Uint8Array.from(text, (character) => character.charCodeAt(0))),
];

const JSON_GROWN: Decoder["grown"] = {
  "one long string": (size) => utf8.encode(`"${"x".repeat(size)}"`),
  "a string of escapes": (size) => utf8.encode(`"${"\\u00e9".repeat(size / 6)}"`),
  "many small values": (size) => utf8.encode(`[${"1,".repeat(size / 2)}1]`),
  "numbers that keep their text": (size) => utf8.encode(`[${"1.0,".repeat(size / 4)}1.0]`),
  "many keys": (size) =>
    utf8.encode(`{${Array.from({ length: size / 12 }, (_, i) => `"key${i}":1`).join(",")}}`),
  "keys with escapes": (size) =>
    utf8.encode(`{${Array.from({ length: size / 14 }, (_, i) => `"\\n${i}":1`).join(",")}}`),
  "brackets without end": (size) => utf8.encode("[".repeat(size)),
  "a number of many digits": (size) => utf8.encode("9".repeat(size)),
  "white space": (size) => utf8.encode(`[${" ".repeat(size)}`),
};

/** All decoders, by name. */
export const DECODERS: Readonly<Record<string, Decoder>> = {
  "JSONEncoder.decode": {
    decode: (data) => void json.decode(data),
    seeds: JSON_SEEDS,
    pieces: JSON_PIECES,
    grown: JSON_GROWN,
  },
  "JSONEncoder.decodeExactly": {
    decode: (data) => void json.encode(json.decodeExactly(data)),
    seeds: JSON_SEEDS,
    pieces: JSON_PIECES,
    grown: JSON_GROWN,
  },
  "Message.decode": {
    decode(data) {
      const message = Message.decode(data);
      for (const name of ["eta", "retries", "pipeTarget", "__proto__", "constructor"]) {
        message.option(name);
      }
      Message.decode(message.copy({ options: { retries: 1 } }).encode());
      String(message);
    },
    seeds: JSON_SEEDS,
    pieces: JSON_PIECES,
    grown: JSON_GROWN,
  },
  "PickleEncoder.decode": {
    decode: (data) => void pickle.decode(data),
    seeds: PICKLE_SEEDS,
    pieces: PICKLE_PIECES,
    grown: {
      "a list of small numbers": (size) =>
        Uint8Array.from([
          0x80,
          4,
          0x5d,
          0x28,
          ...new Array(size / 2).fill([0x4b, 1]).flat(),
          0x65,
          46,
        ]),
      "lists in lists": (size) => Uint8Array.from([0x80, 4, ...new Array(size).fill(0x5d)]),
      "one long text": (size) =>
        Uint8Array.from([
          ...[0x80, 4, 0x58, size & 255, (size >> 8) & 255, (size >> 16) & 255, 0],
          ...new Array(size).fill(120),
          46,
        ]),
    },
  },
  "a stored result": {
    decode(data) {
      try {
        fromStored(json.decode(data), data);
      } catch (error) {
        if (!(error instanceof ResultFailure)) throw error;
      }
    },
    seeds: RESULT_SEEDS,
    pieces: JSON_PIECES,
    grown: JSON_GROWN,
  },
  "a control record of a worker process": {
    decode(data) {
      const reader = new RecordReader(() => {}, () => {});
      const text = new TextDecoder().decode(data);
      reader.push(text.slice(0, text.length / 2));
      reader.push(text.slice(text.length / 2));
    },
    seeds: RECORD_SEEDS,
    pieces: JSON_PIECES,
    grown: JSON_GROWN,
  },
};

/** Result of decoding. */
export type Verdict = "decoded" | "refused";

/**
 * Decodes something that may be anything.
 *
 * @throws Whatever is no `DecodeError`.
 */
export function verdictOf({ decode }: Decoder, data: Uint8Array): Verdict {
  try {
    decode(data);
    return "decoded";
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    if (error.message.length > 20_000) throw new Error("The DecodeError has a text without bound");
    return "refused";
  }
}

/** An input in which a few things were changed. */
export function mutated({ seeds, pieces }: Decoder, random: Random): Uint8Array {
  let bytes = [...random.pick(seeds)];
  const changes = random.between(1, 4);
  for (let i = 0; i < changes; i++) bytes = change(bytes, seeds, pieces, random);
  return Uint8Array.from(bytes);
}

function change(
  bytes: number[],
  seeds: readonly Uint8Array[],
  pieces: readonly Uint8Array[],
  random: Random,
): number[] {
  const at = random.between(0, bytes.length);
  const end = Math.min(bytes.length, at + random.between(0, 20));
  switch (random.between(0, 6)) {
    case 0:
      return [...bytes.slice(0, at), random.between(0, 255), ...bytes.slice(at + 1)];
    case 1:
      return [...bytes.slice(0, at), ...bytes.slice(end)];
    case 2:
      return [...bytes.slice(0, end), ...bytes.slice(at, end), ...bytes.slice(end)];
    case 3:
      return [...bytes.slice(0, at), ...random.pick(seeds).subarray(0, 200), ...bytes.slice(end)];
    case 4:
      return bytes.slice(0, at);
    default:
      return [...bytes.slice(0, at), ...random.pick(pieces), ...bytes.slice(at)];
  }
}

/** @throws If a prototype has got a property, or lost one. */
export function prototypeGuard(): () => void {
  const shared = [
    Object,
    Array,
    Function,
    String,
    Number,
    Map,
    Set,
    Date,
    Error,
    Uint8Array,
    Promise,
  ];
  const snapshot = () =>
    shared.map((one) => Reflect.ownKeys(one.prototype).map(String).join()).join("|");
  const before = snapshot();
  return () => {
    if (snapshot() !== before) throw new Error("A prototype was changed");
    if ((({}) as Record<string, unknown>)["polluted"] !== undefined) {
      throw new Error("Object.prototype was polluted");
    }
  };
}
