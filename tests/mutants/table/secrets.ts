import { type Mutant, mutantsOf } from "../mutant.ts";

const URLS = "tests/hostile/urls_test.ts";
const LOGINS = "tests/hostile/secrets_test.ts";
const ADVICE = "tests/hostile/advice_test.ts";

/** Mistakes in what keeps credentials out of errors, and in errors of setup. */
export const SECRETS: readonly Mutant[] = [
  ...mutantsOf("clients/redact.ts", URLS, [
    ["what follows a ? of a URL is shown", ".replace(/([?#])[^]*$/, `$1${HIDDEN}`)", ""],
    ["what stands in place of a port is shown", ".replace(NO_PORT, `$1:${HIDDEN}`)", ""],
    [
      "a URL that a # has cut off is taken",
      'if (hash === "" && !/@/.test(pathname + search)) return;',
      "if (!/@/.test(pathname + search)) return;",
    ],
    [
      "the stack of a copied error shows what its message hides",
      'if (typeof stack === "string") define("stack", clean(stack));',
      'if (typeof stack === "string") define("stack", stack);',
    ],
    [
      "causes are copied without end",
      "const options = cause === undefined || depth === MAX_DEPTH",
      "const options = cause === undefined",
    ],
    [
      "a user without a password is no secret",
      'if (!password && typeof username === "string") add(username);',
      "",
    ],
    [
      "arguments that Redis repeats are shown",
      "return hidden.replace(REPEATED_ARGUMENTS, `$1 ${HIDDEN}`);",
      "return hidden;",
    ],
  ]),
  ...mutantsOf("clients/redis/reconnecting_client.ts", LOGINS, [
    [
      "errors that the client reports are kept as they are",
      "const error = redactError(reported, this.#secrets());",
      "const error = reported as Error;",
    ],
  ]),
  ...mutantsOf("clients/redis/prepared_client.ts", "tests/brokers/redis/outage_log_test.ts", [
    [
      "ioredis warns of a user who may not ask for INFO",
      'if (error?.message.includes("NOPERM")) listener(null, "");\n      else ',
      "",
    ],
  ]),
  ...mutantsOf("clients/redis/errors.ts", "tests/hostile/access_test.ts", [
    [
      "what a script may not do is a request that is never taken",
      "    /^ERR The user executing the script can't|^ERR ACL failure in script/,\n",
      "",
    ],
  ]),
  ...mutantsOf("platform/missing_package.ts", ADVICE, [
    [
      "a file that is not there is taken for a package",
      'if (/^[./]|^[a-z]+:/.test(name)) return "";',
      "",
    ],
  ]),
  ...mutantsOf("clients/redis/advice.ts", ADVICE, [
    [
      "nobody hears that no address was given",
      'if ("isDefault" in source && source.isDefault) return `; ${NO_ADDRESS}`;',
      "",
    ],
  ]),
];
