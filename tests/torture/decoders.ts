/**
 * Does what strangers write to a queue, a result or a pipe break a decoder?
 *
 * Gives each decoder inputs in which bytes, pieces and slices were changed. Each must give a value
 * or a `DecodeError`, and no prototype may change. Then decodes inputs of one, two and four times a
 * size: the time may not grow faster than they do.
 *
 *     deno run -A tests/torture/decoders.ts [--inputs 300000] [--seed 1]
 *     bun tests/torture/decoders.ts
 *     node tests/torture/decoders.ts
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { runtimeVersion } from "../../bench/measure.ts";
import { type Decoder, DECODERS, mutated, prototypeGuard, verdictOf } from "../hostile/decoders.ts";
import { Random } from "./random.ts";

/** Bytes of the smallest of the inputs that grow. */
const SIZE = 2 ** 17;
/** Factor of the time that four times the size may take; quadratic time would be 16. */
const MAX_RATIO = 9;
/** Milliseconds below which a ratio says nothing. */
const NOISE = 5;
const ATTEMPTS = 7;

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "300000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const count = Number(values.inputs);
const seed = Number(values.seed);
console.log(`${runtimeVersion()}, ${count} inputs for each decoder, seed ${seed}`);
const assertUntouched = prototypeGuard();
for (const [name, decoder] of Object.entries(DECODERS)) {
  const random = new Random(seed);
  const verdicts = { decoded: 0, refused: 0 };
  let slowest = 0;
  for (let i = 0; i < count; i++) {
    const data = mutated(decoder, random);
    const start = performance.now();
    verdicts[verdictOf(decoder, data)] += 1;
    slowest = Math.max(slowest, performance.now() - start);
  }
  assertUntouched();
  const { decoded, refused } = verdicts;
  console.log(`${name}: ${decoded} decoded, ${refused} refused, slowest ${slowest.toFixed(1)} ms`);
  for (const [shape, grow] of Object.entries(decoder.grown)) {
    const [one, two, four] = [1, 2, 4].map((factor) => timeOf(decoder, grow(SIZE * factor)));
    const times = [one!, two!, four!].map((ms) => ms.toFixed(1)).join(", ");
    console.log(`  ${shape}: ${times} ms at 1, 2 and 4 times ${SIZE} bytes`);
    if (four! <= MAX_RATIO * Math.max(one!, NOISE)) continue;
    console.error(`Failed: ${name} takes more than linear time for ${shape}`);
    process.exitCode = 1;
  }
}

/** The shortest of some attempts, in milliseconds of processor time: others may use the machine. */
function timeOf(decoder: Decoder, data: Uint8Array): number {
  const times = Array.from({ length: ATTEMPTS }, () => {
    const start = process.cpuUsage();
    verdictOf(decoder, data);
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1_000;
  });
  return Math.min(...times);
}
