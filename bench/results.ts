/**
 * Answers: how long does it take to store a result, to get one and to wait for one, beside a bare
 * client, and does it matter how many wait?
 *
 * Starts a Redis and a memcached of its own. Milliseconds; each row is measured in turn with the
 * others of its section, so that all share what the machine is doing. Ends with the budgets,
 * and with status 1 if one is missed.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { runtimeVersion } from "./measure.ts";
import { type Budget, printBudgets } from "./results/budgets.ts";
import { measureMemcached } from "./results/memcached.ts";
import { measureRedis } from "./results/redis.ts";

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    /** Number of waiters at once. */
    waiters: { type: "string", default: "10000" },
    /** Number of times each row is measured. */
    samples: { type: "string", default: "1000" },
  },
});
const options = { waiters: Number(values.waiters), samples: Number(values.samples) };

console.log(`${runtimeVersion()}, ${options.samples} samples, ${options.waiters} waiters\n`);
const budgets: Budget[] = [];
budgets.push(...await measureRedis(options));
budgets.push(...await measureMemcached(options));
process.exitCode = printBudgets(budgets) ? 0 : 1;
