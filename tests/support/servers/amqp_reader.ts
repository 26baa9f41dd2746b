import { Buffer } from "node:buffer";

/** A value of a field table. */
export type AmqpValue =
  | string
  | number
  | boolean
  | null
  | readonly AmqpValue[]
  | { readonly [name: string]: AmqpValue };

/** A method as it goes over the wire, by the names of the specification. */
export interface AmqpMethod {
  /** Such as `basic_publish`; `60.40` for one that is not known here. */
  readonly method: string;
  readonly channel: number;
  readonly args: Readonly<Record<string, AmqpValue>>;
  /** With content: the properties that are set, and the body as it is. */
  readonly properties?: Readonly<Record<string, AmqpValue>>;
  readonly body?: Buffer;
}

type FieldType = "short" | "long" | "longlong" | "shortstr" | "table" | "bits";
/** Names and types of fields; `bits` has one name for each bit, separated by blanks. */
type Fields = readonly (readonly [names: string, type: FieldType])[];

/** "AMQP 0-9-1 Specification", 1.5, and RabbitMQ's extensions: those methods that tests look at. */
const METHODS: Readonly<Record<string, readonly [name: string, fields: Fields]>> = {
  "20.10": ["channel_open", []],
  "50.10": ["queue_declare", [
    ["ticket", "short"],
    ["queue", "shortstr"],
    ["passive durable exclusive auto_delete nowait", "bits"],
    ["arguments", "table"],
  ]],
  "50.30": ["queue_purge", [["ticket", "short"], ["queue", "shortstr"]]],
  "50.40": ["queue_delete", [["ticket", "short"], ["queue", "shortstr"]]],
  "60.10": ["basic_qos", [["prefetch_size", "long"], ["prefetch_count", "short"]]],
  "60.20": ["basic_consume", [["ticket", "short"], ["queue", "shortstr"], ["tag", "shortstr"]]],
  "60.30": ["basic_cancel", [["tag", "shortstr"]]],
  "60.40": ["basic_publish", [
    ["ticket", "short"],
    ["exchange", "shortstr"],
    ["routing_key", "shortstr"],
    ["mandatory immediate", "bits"],
  ]],
  "60.60": ["basic_deliver", [
    ["tag", "shortstr"],
    ["delivery_tag", "longlong"],
    ["redelivered", "bits"],
    ["exchange", "shortstr"],
    ["routing_key", "shortstr"],
  ]],
  "60.80": ["basic_ack", [["delivery_tag", "longlong"], ["multiple", "bits"]]],
  "60.90": ["basic_reject", [["delivery_tag", "longlong"], ["requeue", "bits"]]],
  "60.120": ["basic_nack", [["delivery_tag", "longlong"], ["multiple requeue", "bits"]]],
  "85.10": ["confirm_select", []],
};

const WITH_CONTENT = new Set(["60.40", "60.60", "60.50", "60.71"]);

/** In the order of their flags, from the highest ("AMQP 0-9-1 Specification", 1.8.3). */
const PROPERTIES: readonly (readonly [name: string, type: Exclude<FieldType, "bits"> | "octet"])[] =
  [
    ["content_type", "shortstr"],
    ["content_encoding", "shortstr"],
    ["headers", "table"],
    ["delivery_mode", "octet"],
    ["priority", "octet"],
    ["correlation_id", "shortstr"],
    ["reply_to", "shortstr"],
    ["expiration", "shortstr"],
    ["message_id", "shortstr"],
    ["timestamp", "longlong"],
    ["type", "shortstr"],
    ["user_id", "shortstr"],
    ["app_id", "shortstr"],
  ];

const [METHOD_FRAME, HEADER_FRAME, BODY_FRAME] = [1, 2, 3];
const PROTOCOL_HEADER = Buffer.from("AMQP");
const FRAME_OVERHEAD = 8;

/** A method whose content is not complete. */
interface Unfinished {
  readonly head: AmqpMethod;
  properties: Readonly<Record<string, AmqpValue>>;
  missing: number;
  readonly parts: Buffer[];
}

/** Makes methods of one direction of a connection. */
export class AmqpReader {
  readonly #onMethod: (method: AmqpMethod) => void;
  /** By channel. */
  readonly #unfinished: Map<number, Unfinished> = new Map();
  #rest: Buffer = Buffer.alloc(0);

  /** @param onMethod Told of each method, with its content. */
  constructor(onMethod: (method: AmqpMethod) => void) {
    this.#onMethod = onMethod;
  }

  /** Takes the next bytes. */
  add(bytes: Buffer): void {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    if (rest.subarray(0, 4).equals(PROTOCOL_HEADER)) rest = rest.subarray(8);
    while (rest.length >= FRAME_OVERHEAD) {
      const end = FRAME_OVERHEAD + rest.readUInt32BE(3);
      if (rest.length < end) break;
      this.#addFrame(rest[0]!, rest.readUInt16BE(1), rest.subarray(7, end - 1));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }

  #addFrame(type: number, channel: number, payload: Buffer): void {
    if (type === METHOD_FRAME) return this.#addMethod(channel, payload);
    const content = this.#unfinished.get(channel);
    if (content === undefined) return;
    if (type === HEADER_FRAME) {
      content.missing = Number(payload.readBigUInt64BE(4));
      content.properties = readProperties(new Cursor(payload.subarray(12)));
    } else if (type === BODY_FRAME) {
      content.parts.push(Buffer.from(payload));
      content.missing -= payload.length;
    }
    if (content.missing > 0) return;
    this.#unfinished.delete(channel);
    const { head, properties, parts } = content;
    this.#onMethod({ ...head, properties, body: Buffer.concat(parts) });
  }

  #addMethod(channel: number, payload: Buffer): void {
    const id = `${payload.readUInt16BE(0)}.${payload.readUInt16BE(2)}`;
    const [method, fields] = METHODS[id] ?? [id, []];
    const head = { method, channel, args: readFields(new Cursor(payload.subarray(4)), fields) };
    if (!WITH_CONTENT.has(id)) return this.#onMethod(head);
    this.#unfinished.set(channel, { head, properties: {}, missing: 0, parts: [] });
  }
}

function readFields(cursor: Cursor, fields: Fields): Record<string, AmqpValue> {
  const args: Record<string, AmqpValue> = {};
  for (const [names, type] of fields) {
    if (type === "bits") {
      const bits = cursor.number(1);
      for (const [i, name] of names.split(" ").entries()) args[name] = (bits >> i & 1) === 1;
    } else {
      args[names] = cursor.field(type);
    }
  }
  return args;
}

function readProperties(cursor: Cursor): Record<string, AmqpValue> {
  const flags = cursor.number(2);
  const set = PROPERTIES.filter((_property, i) => (flags >> (15 - i) & 1) === 1);
  return Object.fromEntries(
    set.map(([name, type]) => [name, type === "octet" ? cursor.number(1) : cursor.field(type)]),
  );
}

/** Reads one value after the other. */
class Cursor {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** An unsigned number of so many bytes. */
  number(bytes: 1 | 2 | 4): number {
    return this.#take(bytes).readUIntBE(0, bytes);
  }

  field(type: Exclude<FieldType, "bits">): AmqpValue {
    switch (type) {
      case "short":
        return this.number(2);
      case "long":
        return this.number(4);
      case "longlong":
        return Number(this.#take(8).readBigUInt64BE());
      case "shortstr":
        return this.#take(this.number(1)).toString();
      case "table":
        return this.#table();
    }
  }

  #table(): AmqpValue {
    const content = new Cursor(this.#take(this.number(4)));
    const table: Record<string, AmqpValue> = {};
    while (!content.#isAtEnd) {
      const name = content.field("shortstr") as string;
      table[name] = content.#value();
    }
    return table;
  }

  /** A value with its type before it ("AMQP 0-9-1 Errata", 3, as RabbitMQ takes it). */
  #value(): AmqpValue {
    const type = this.#take(1).toString("latin1");
    switch (type) {
      case "S":
        return this.#take(this.number(4)).toString();
      case "b":
        return this.#take(1).readInt8();
      case "s":
        return this.#take(2).readInt16BE();
      case "I":
        return this.#take(4).readInt32BE();
      case "l":
        return Number(this.#take(8).readBigInt64BE());
      case "T":
        return this.field("longlong");
      case "d":
        return this.#take(8).readDoubleBE();
      case "t":
        return this.number(1) === 1;
      case "V":
        return null;
      case "F":
        return this.#table();
      case "A":
        return this.#array();
      default:
        throw new TypeError(`Cannot read a field of type "${type}": none is expected`);
    }
  }

  #array(): AmqpValue[] {
    const content = new Cursor(this.#take(this.number(4)));
    const values: AmqpValue[] = [];
    while (!content.#isAtEnd) values.push(content.#value());
    return values;
  }

  get #isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  #take(length: number): Buffer {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
