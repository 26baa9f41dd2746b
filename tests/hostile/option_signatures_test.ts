import { assert, assertEquals } from "@std/assert";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { skip, test } from "../support/test.ts";
import { CALLS, SIGNAL_CALLS } from "./calls.ts";
import { MAKE, WRONG } from "./making.ts";
import { optionSignatures, typedOptions } from "./option_signatures.ts";
import type { ApiDocs } from "../support/api_docs.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Signatures whose unknown options are not refused there, with the reasons. */
const WITHOUT: readonly [signature: RegExp, reason: string][] = [
  [/^Actor\.(?:messageWithOptions|sendWithOptions) 0$/, "options of unknown middleware are kept"],
  [/^(?:new Actor|actor\(\)) 1$/, "declareActor refuses what no middleware of its broker knows"],
  [/^new (?:Broker|ResultBackend) 0$/, "the classes that extend it have more options, and check"],
  [/^new Message 0$/, "a check would cost each message, sent and received, 3 % of its time"],
  [/^Inspector\.get 0$/, "a place as `list` gives it, which is found or not"],
  [/^ResultSource\.getResult 1$/, "an interface; a ResultBackend checks"],
  [/^runWorker\(\) 0$/, "parseArguments does; a UsageError, see tests/cli/arguments_test.ts"],
  [/\.afterProcessMessage 2$/, "the outcome of a message, which the worker passes"],
  [
    /^new (?:BrokerConnectionError|DecodeError|DuplicateMessage|PoisonMessage|ResultFailure) \d$/,
    "made where something has failed, and an error there would hide that",
  ],
];

test("optionSignatures and typedOptions find parameters with options, and their fields", () => {
  const options = { kind: "typeRef", value: { typeName: "Bag" } };
  const partial = { kind: "typeRef", value: { typeName: "Partial", typeParams: [options] } };
  const text = { kind: "keyword" };
  const signal = {
    name: "signal",
    optional: true,
    tsType: { kind: "typeRef", repr: "AbortSignal" },
  };
  const declared = (name: string, kind: string, def: object) => ({
    name,
    declarations: [{ kind, def }],
  });
  const method = (name: string, ...params: object[]) => ({ name, functionDef: { params } });
  const internal = { jsDoc: { tags: [{ kind: "internal" }] } };
  const symbols = [
    declared("Bag", "interface", { properties: [signal] }),
    declared("ReadOptions", "interface", { properties: [signal, { name: "url", tsType: text }] }),
    declared("Whole", "interface", { properties: [{ ...signal, optional: false }] }),
    declared("open", "function", { params: [{ name: "url", tsType: text }, { name: "options" }] }),
    declared("File", "class", {
      constructors: [{ params: [{ tsType: partial }] }],
      methods: [
        method("read", { kind: "assign", left: { name: "how", tsType: options } }),
        { ...method("hide", { tsType: options }), accessibility: "private" },
        { ...method("inner", { tsType: options }), ...internal },
        method("name", { tsType: text }, {
          tsType: { kind: "typeRef", value: { typeName: "Whole" } },
        }),
      ],
    }),
  ];
  const docs: ApiDocs = { nodes: { "mod.ts": { symbols } } };
  assertEquals(optionSignatures(docs), ["File.read 0", "new File 0", "open() 1"]);
  assertEquals(typedOptions(docs, []), ["signal"]);
  assertEquals(typedOptions(docs, ["ReadOptions"]), []);
});

const RULE = "Each exported function, constructor and method refuses unknown options";
if (!("Deno" in globalThis)) {
  skip(RULE, "it reads deno doc; the calls themselves are made here, too");
} else {
  test(RULE, async () => {
    const docs = await readDocs();
    const signatures = optionSignatures(docs);
    assert(signatures.length > 120, `${signatures.length}`);
    const called = new Set([...CALLS, ...SIGNAL_CALLS].map(({ signature }) => signature));
    const isChecked = (signature: string) =>
      called.has(signature) ||
      Object.hasOwn(MAKE, /^(?:new (\w+)|(\w+)\(\)) /.exec(signature)?.slice(1).join("") ?? "");
    const isWithout = (signature: string) => WITHOUT.some(([pattern]) => pattern.test(signature));
    assertEquals(signatures.filter((one) => !isChecked(one) && !isWithout(one)), []);
    for (const [pattern, reason] of WITHOUT) {
      assert(signatures.some((one) => pattern.test(one)), `${pattern} is left: ${reason}`);
    }
    const ofActors = ["ActorOptions", "KnownMessageOptions", "MessageOptions", "RunWorkerOptions"];
    const typed = typedOptions(docs, ofActors);
    assertEquals(typed.filter((name) => !Object.hasOwn(WRONG, name)), []);
  });
}

async function readDocs(): Promise<ApiDocs> {
  const { exports } = JSON.parse(await readFile(`${ROOT}/deno.json`, "utf8"));
  const entries = Object.values(exports as Record<string, string>);
  const options = { cwd: ROOT, maxBuffer: 2 ** 26 };
  const args = ["doc", "--json", ...entries];
  return JSON.parse((await promisify(execFile)(process.execPath, args, options)).stdout);
}
