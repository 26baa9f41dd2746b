import { Buffer } from "node:buffer";

/** Value of a field table. */
export type Field = string | number | Date | readonly Field[] | { readonly [name: string]: Field };

/**
 * Encodes a table of headers. Numbers are integers, dates have a resolution of seconds.
 *
 * Source: "AMQP 0-9-1 Specification", 4.2.5.5, with the types that RabbitMQ's page
 * "AMQP 0-9-1 Errata" gives.
 *
 * @param table The headers.
 * @returns The bytes, beginning with their length.
 */
export function fieldTable(table: Readonly<Record<string, Field>>): Buffer {
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(table)) {
    const bytes = Buffer.from(name);
    parts.push(Buffer.of(bytes.length), bytes, field(value));
  }
  return withLength(Buffer.concat(parts));
}

function field(value: Field): Buffer {
  if (typeof value === "string") return tagged("S", withLength(Buffer.from(value)));
  if (typeof value === "number") return tagged("l", wide(value));
  if (value instanceof Date) return tagged("T", wide(Math.floor(value.getTime() / 1_000)));
  if (Array.isArray(value)) return tagged("A", withLength(Buffer.concat(value.map(field))));
  return tagged("F", fieldTable(value as Readonly<Record<string, Field>>));
}

function tagged(type: string, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), content]);
}

function withLength(content: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length);
  return Buffer.concat([length, content]);
}

function wide(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
}
