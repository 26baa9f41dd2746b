import type { Encoded, Encoder } from "../encoder.ts";
import { DecodeError } from "../../core/errors.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { PickleMachine } from "./machine.ts";
import { OPCODES, STOP } from "./opcodes.ts";
import { PickleError, PickleReader } from "./reader.ts";
import { PickleWriter } from "./writer.ts";

/** Options for {@linkcode PickleEncoder}. */
export interface PickleEncoderOptions {
  /**
   * Bytes beyond which a pickle is not read.
   *
   * @default {67108864} 64 MiB.
   */
  maxLength?: number;
}

const MAX_LENGTH = 64 * 1024 * 1024;

const KNOWN_OPTIONS: KnownOptions<PickleEncoderOptions> = {
  maxLength: true,
};

/**
 * The encoder for queues whose Python peers use dramatiq's `PickleEncoder`. It reads pickles
 * of protocols 0 to 5 and writes protocol 4.
 *
 * It reads plain data only. It never imports or calls anything that a pickle names, so a
 * malicious pickle can do no harm. A pickle that would create an object of a class is a
 * {@linkcode DecodeError} that names the opcode. `docs/encoders.md` lists the JavaScript
 * type of each Python type.
 *
 * A message that passes through (a retry, the next message of a pipeline, an argument of a
 * callback) keeps its types: tuples, `1.0`, the microseconds of a datetime.
 *
 * Source: `tests/vectors/pickle.json`.
 *
 * @example Share queues with a Python that pickles
 * ```ts
 * import { PickleEncoder, setEncoder } from "@dq/dramatiq";
 *
 * setEncoder(new PickleEncoder()); // before anything is sent or received
 * ```
 */
export class PickleEncoder implements Encoder {
  readonly #maxLength: number;

  /**
   * Stores the limit.
   *
   * @param options The limit.
   * @throws {RangeError} If it is not above 0.
   */
  constructor(options: PickleEncoderOptions = {}) {
    assertKnownOptions("PickleEncoder", options, KNOWN_OPTIONS);
    const { maxLength = MAX_LENGTH } = options;
    if (!(maxLength > 0)) {
      throw new RangeError(`Cannot read pickles of up to ${maxLength} bytes: it must be above 0`);
    }
    this.#maxLength = maxLength;
  }

  /**
   * Writes a value.
   *
   * @param value `null`, booleans, numbers, `BigInt`, strings, `Uint8Array`, `Date`, and arrays,
   *   plain objects, `Map` and `Set` of them.
   * @returns A pickle of protocol 4.
   * @throws {TypeError} If the value holds anything else, or contains itself; the text names the place.
   */
  encode(value: unknown): Uint8Array {
    return new PickleWriter().write(value);
  }

  /**
   * Reads a value.
   *
   * @param data A pickle.
   * @returns The value.
   * @throws {DecodeError} If it is not a pickle, holds more than plain data, is nested too deep, is
   *   too long, or contains itself.
   */
  decode(data: Encoded): unknown {
    return this.#decode(data, { isExact: false });
  }

  /**
   * Reads a value that will be written again.
   *
   * @param data A pickle.
   * @returns The value, which `encode` writes with its original types and order of keys.
   * @throws {DecodeError} The same as `decode`.
   */
  decodeExactly(data: Encoded): unknown {
    return this.#decode(data, { isExact: true });
  }

  #decode(data: Encoded, { isExact }: { isExact: boolean }): unknown {
    if (typeof data === "string") {
      throw new DecodeError("Cannot decode pickle: it is text, not bytes", data);
    }
    if (data.length > this.#maxLength) {
      const limit = `maxLength is ${this.#maxLength}`;
      throw new DecodeError(`Cannot decode pickle: it has ${data.length} bytes, ${limit}`, data);
    }
    const reader = new PickleReader(data);
    try {
      return unpickle(reader, isExact);
    } catch (error) {
      // Any error: sets and maps of a runtime have a largest size, too.
      const place = `near byte ${reader.position} of ${reader.length}`;
      throw new DecodeError(`Cannot decode pickle: ${errorMessage(error)}, ${place}`, data, {
        cause: error,
      });
    }
  }
}

function unpickle(reader: PickleReader, isExact: boolean): unknown {
  const machine = new PickleMachine(reader, isExact);
  while (true) {
    const code = reader.uint8();
    if (code === STOP) return machine.result();
    const opcode = OPCODES[code];
    if (opcode === undefined) {
      throw new PickleError(`0x${code.toString(16).padStart(2, "0")} is not an opcode`);
    }
    opcode.run(machine);
  }
}
