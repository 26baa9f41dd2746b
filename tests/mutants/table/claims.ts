import { type Mutant, mutantsOf } from "../mutant.ts";

const STUB_BROKER = "tests/control/stub_broker_test.ts";
const REDIS_BROKER = "tests/control/redis_broker_test.ts";
const RABBITMQ_BROKER = "tests/control/rabbitmq_broker_test.ts";
const SQLITE = "tests/control/sqlite_test.ts";
const CLAIMS_TEST = "tests/control/claims_test.ts";
const UNIQUE = "tests/control/unique_test.ts";
const SUSPECTS = "/(Consumer|Worker).*(suspect|begin|requeue|forget|PoisonMessage)|^Marks/";

/** Mistakes in claims of unique messages, and in what brokers note of messages that kill workers. */
export const CLAIMS: readonly Mutant[] = [
  ...mutantsOf("core/claims.ts", [CLAIMS_TEST, UNIQUE], [
    [
      "the retry of a debounced message is delayed anew",
      "if (debounce === undefined || cause !== undefined || isPart === true) return delay;",
      "if (debounce === undefined || isPart === true) return delay;",
    ],
    [
      "members of groups are debounced",
      "if (debounce === undefined || cause !== undefined || isPart === true) return delay;",
      "if (debounce === undefined || cause !== undefined) return delay;",
    ],
    [
      "members of groups claim",
      "if (unique === undefined || isPart === true) return undefined;",
      "if (unique === undefined) return undefined;",
    ],
    [
      "messages of a process overtake each other",
      'return unique.onDuplicate === "replace" ? this.#turns.take(claimKeyOf(keyed), send) : send();',
      "return send();",
      { tests: STUB_BROKER, filter: "in a row" },
    ],
    [
      "a claim does not know the retry of its message",
      "const stays = [...claim.stays, this.#steps.stayOf(message)].slice(-STAYS);",
      "const stays = claim.stays;",
      { tests: REDIS_BROKER, filter: "nique" },
    ],
    [
      "a claim grows with each retry",
      "].slice(-STAYS);",
      "];",
      { tests: REDIS_BROKER, filter: "nique" },
    ],
    [
      "a conflict ends the try to carry a claim on",
      "if ((await this.#entries.change(change)).applied) return;",
      "await this.#entries.change(change);\n      return;",
      { tests: REDIS_BROKER, filter: "nique" },
    ],
    [
      "a debounced message runs at its first eta",
      'if (delivery !== undefined && claim.eta! > Number(delivery.option("eta"))) return claim.eta;',
      "",
      { tests: STUB_BROKER, filter: "ebounced" },
    ],
    [
      "the copy of a delayed message that was promoted ends its claim",
      "if (this.#moved.has(delivery)) return;",
      "",
      { tests: STUB_BROKER, filter: "delays" },
    ],
    [
      "a redelivered message ends the claim of its retry",
      "if (claim.stays.at(-1) !== this.#steps.stayOf(delivery.message)) return;",
      "",
      { tests: REDIS_BROKER, filter: "nique" },
    ],
    [
      "a message ends the claim of another one",
      "if (claim?.messageId !== delivery.messageId) return;",
      "if (claim === undefined) return;",
      { stays: "the look at its stay, which follows, keeps it from that as well" },
    ],
    [
      "a claim that was taken meanwhile is ended",
      "await this.#entries.change({ key, value: null, ifVersion: entry!.version });",
      "await this.#entries.change({ key, value: null });",
    ],
    [
      "a message that begins keeps its claim",
      "if (!(await this.#entries.change(ended)).applied) continue;",
      "void ended;",
    ],
    [
      "a message that is replaced as it begins runs with the older text",
      "if (!(await this.#entries.change(ended)).applied) continue;",
      "await this.#entries.change(ended);",
    ],
    [
      "a message that is replaced as it begins is given up",
      "if (!(await this.#entries.change(ended)).applied) continue;",
      "if (!(await this.#entries.change(ended)).applied) return;",
    ],
    [
      "latest texts are kept",
      "await this.#entries.change({ key: textKeyOf(messageId), value: null });",
      "void messageId;",
      { tests: STUB_BROKER, filter: "replace" },
    ],
    [
      "a dead letter that is requeued replaces another message",
      '{ ...unique, onDuplicate: "throw" },',
      "unique,",
    ],
    [
      "a duplicate has an id of its own",
      "const duplicate = keyed.copy({ messageId: holder }) as M;",
      "const duplicate = keyed;",
    ],
    [
      "the claim of a sender that died lasts",
      "const ttl = Math.min(change.ttl ?? Infinity, SENDING_TTL);",
      "const ttl = change.ttl ?? Infinity;",
    ],
    [
      "a claim stays whose message could not be stored",
      "await this.#entries.change({ key, value: null, ...compared }).catch(() => {});",
      "",
    ],
    [
      "a message that has run gets its claim back",
      "await this.#entries.change({ key, value, ttl, ...compared });",
      "await this.#entries.change({ key, value, ttl });",
    ],
  ]),
  ...mutantsOf("core/claim_entries.ts", CLAIMS_TEST, [
    [
      "a message is refused by its own claim",
      "if (claim === undefined || claim.messageId === messageId) continue;",
      "if (claim === undefined) continue;",
    ],
    [
      "a claim for a time ends with its message",
      'const isAlive = typeof unique.until === "number" || await this.#steps.isStored(claim);',
      "const isAlive = await this.#steps.isStored(claim);",
      { tests: REDIS_BROKER, filter: "nique" },
    ],
    [
      "a claim without a message refuses for ever",
      "if (!isAlive) continue;",
      "if (!isAlive) return holder;",
      { tests: REDIS_BROKER, filter: "taken over" },
    ],
    [
      "what may never arrive is replaced",
      "if (claim.isSending) continue;",
      "if (claim.isSending === undefined && claim.stays.length > 99) continue;",
    ],
    [
      "the claim of a delayed message ends before that",
      "Infinity : UNVERIFIED_TTL + this.#delayOf(message);",
      "Infinity : UNVERIFIED_TTL;",
    ],
    [
      "a debounced message is delayed beyond maxWait",
      "Math.max(eta, Math.min(wanted, lastEta))",
      "Math.max(eta, wanted)",
      { tests: STUB_BROKER, filter: "ebounced" },
    ],
    [
      "maxWait counts from the end of the first wait",
      "lastEta: eta - wait + maxWait",
      "lastEta: eta + maxWait",
    ],
  ]),
  ...mutantsOf("brokers/redis/suspect_scripts.ts", REDIS_BROKER, [
    ["deaths are not counted", "deaths = deaths + 1", "deaths = deaths", { filter: SUSPECTS }],
    [
      "a death counts for what the worker had not begun",
      "if broker == dead then",
      "if broker == dead or broker == '' then",
      { filter: SUSPECTS },
    ],
    [
      "a mark is left where a message is given back",
      "redis.call('HSET', suspects, id, deaths .. '|||' .. notes)\n    end\n  end\nend\n`;\n\n/**\n * Marks",
      "end\n  end\nend\n`;\n\n/**\n * Marks",
      { filter: SUSPECTS },
    ],
    [
      "a message is begun that another worker has",
      "if redis.call('SISMEMBER', KEYS[2], ARGV[i]) == 1 then",
      "if true then",
      { filter: SUSPECTS },
    ],
    [
      "deaths before are forgotten by the next mark",
      "deaths .. '|' .. ARGV[2] .. '|' .. ARGV[3] .. '|' .. notes)",
      "'0|' .. ARGV[2] .. '|' .. ARGV[3] .. '|' .. notes)",
      { filter: SUSPECTS },
    ],
    [
      "suspects are kept that Python has acknowledged",
      "if redis.call('HEXISTS', KEYS[2], reply[2][i]) == 0 then",
      "if false then",
      { filter: "once Python has acknowledged" },
    ],
  ]),
  ...mutantsOf("brokers/sqlite/statements.ts", SQLITE, [
    [
      "a death counts for what the worker had not begun",
      "deaths=coalesce(deaths,0)+(marked_by is owner)",
      "deaths=coalesce(deaths,0)+1",
      { filter: SUSPECTS },
    ],
    [
      "a mark is left where a message is given back",
      '"update dramatiq_messages set state=0, owner=null, marked_by=null where id=? and owner=? and state=1"',
      '"update dramatiq_messages set state=0, owner=null where id=? and owner=? and state=1"',
      { filter: SUSPECTS },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/marks.ts", RABBITMQ_BROKER, [
    [
      "a mark of its own is taken for a death",
      "if (by === undefined || by === this.#options.brokerId) return { deaths, notes };",
      "if (by === undefined) return { deaths, notes };",
      { filter: SUSPECTS },
    ],
    [
      "a message runs at once in which a death is found",
      "const isMarked = deaths === 0 || deathsOf(delivery) > 0;",
      "const isMarked = true;",
      { filter: SUSPECTS },
    ],
    [
      "what is given back keeps its mark",
      "({ deaths, notes }) => deaths === 0 ? null : { deaths, notes },",
      "(mark) => ({ ...mark }),",
      { filter: SUSPECTS },
    ],
    [
      "what is settled keeps its mark",
      "await this.#change(deliveries, () => null);",
      "await this.#change(deliveries, (mark) => ({ ...mark }));",
      { filter: SUSPECTS },
    ],
  ]),
  ...mutantsOf("brokers/rabbitmq/queue_consumer.ts", RABBITMQ_BROKER, [
    [
      "what is given back is marked until it is back",
      "if (this.#marks?.isUsed) await this.#marks.returned(toList(messages));",
      "",
      { filter: SUSPECTS },
    ],
    [
      "what is dead-lettered keeps its mark",
      "await super.nack(messages);\n    if (this.#marks?.isUsed) await this.#marks.settled(toList(messages));",
      "await super.nack(messages);",
      { filter: SUSPECTS },
    ],
    [
      "what was delivered before is no suspect",
      "if (this.#marks !== undefined && delivery.redelivered) {",
      "if (this.#marks === undefined && delivery.redelivered) {",
      { filter: SUSPECTS },
    ],
  ]),
  ...mutantsOf("brokers/sqlite/suspects.ts", SQLITE, [
    [
      "a message is begun that another worker has",
      "if (Number(mark.run(note, one.id, owner).changes) === 0) return true;",
      "mark.run(note, one.id, owner);",
      { filter: SUSPECTS },
    ],
    [
      "notes on deaths are not read",
      'notes: row.notes ?? "" };',
      'notes: "" };',
      { filter: SUSPECTS },
    ],
  ]),
  ...mutantsOf("brokers/stub/consumer.ts", STUB_BROKER, [
    [
      "a death counts for what the worker had not begun",
      "stored.suspicion = stored.isMarked === true",
      "stored.suspicion = stored.suspicion !== undefined",
      { filter: SUSPECTS },
    ],
    [
      "what the worker has no more is begun",
      "const held = toList(messages).filter((one) => this.#unsettled.has(one as StubDelivery));",
      "const held = toList(messages);",
      { filter: SUSPECTS },
    ],
  ]),
];
