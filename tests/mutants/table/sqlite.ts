import { type Mutant, mutantsOf } from "../mutant.ts";

const folder = "tests/brokers/sqlite";
const CONFORMANCE = "tests/brokers/sqlite_test.ts";
const COMMAND_LINE = `${folder}/command_line_test.ts`;
const CONSUMER = `${folder}/consumer_test.ts`;
const CRASHES = `${folder}/crashes_test.ts`;
const DEAD = `${folder}/dead_letters_test.ts`;
const FILES = `${folder}/files_test.ts`;
const REPLACED = `${folder}/replaced_files_test.ts`;
const FILE_SYSTEMS = `${folder}/file_systems_test.ts`;
const LEASES = `${folder}/leases_test.ts`;
const LONG = `${folder}/long_bodies_test.ts`;
const NOTIFIER = "tests/clients/sqlite/change_notifier_test.ts";
const PRIORITIES = `${folder}/priorities_test.ts`;
const TRANSACTIONS = `${folder}/transactions_test.ts`;
const WRITER = "tests/clients/sqlite/writer_test.ts";
const RESULTS = "tests/results/sqlite_test.ts";
const LIMITS = "tests/rate_limits/sqlite_test.ts";

/** Mistakes in the SQLite broker, its file, and the results and limits in it. */
export const SQLITE: readonly Mutant[] = [
  ...mutantsOf("brokers/sqlite/statements.ts", LEASES, [
    [
      "a late acknowledgement deletes what another worker has",
      'delete from dramatiq_messages where id=? and owner=? and state=1"',
      'delete from dramatiq_messages where id=? and owner+0*?>0 and state=1"',
      { filter: "stands still" },
    ],
    [
      "messages of equal priority are claimed in no order",
      "where queue=? and state=0 order by rank, due, id limit ?",
      "where queue=? and state=0 order by rank, due desc, id desc limit ?",
      { tests: PRIORITIES },
    ],
    [
      "priorities hold in what is claimed at once only",
      "where queue=? and state=0 order by rank, due, id limit ?",
      "where queue=? and state=0 order by due, id limit ?",
      { tests: PRIORITIES },
    ],
    [
      "all delayed messages are made ready with the first one",
      "dramatiq_messages where queue=? and state=2 and due<=? order by due, id limit 500",
      "dramatiq_messages where queue=? and state=2 and due<=?+1e15 order by due, id limit 500",
      { tests: CRASHES, filter: ": promoting" },
    ],
  ]),
  ...mutantsOf("brokers/sqlite/queue_consumer.ts", LEASES, [
    [
      "a consumer that is paused goes on claiming",
      "return !this.#isPaused && !this.#abort.isAborted &&",
      "return !this.#abort.isAborted &&",
      { tests: CONSUMER, filter: "pause" },
    ],
    [
      "a consumer claims after its signal has aborted",
      "return !this.#isPaused && !this.#abort.isAborted &&",
      "return !this.#isPaused &&",
      { tests: CONSUMER, filter: "aborts" },
    ],
    [
      "it claims without a row of its worker",
      "return this.#isTakenOver ? [] : this.#source.claim(queue, lease.owner!, limit);",
      "return this.#source.claim(queue, lease.owner!, limit);",
    ],
    [
      "a claim that is not in order is handed out as it came",
      "if (rows.length > 1) rows.sort((a, b) => a[1] - b[1] || a[2] - b[2] || a[0] - b[0]);",
      "",
      { tests: PRIORITIES },
    ],
    [
      "requeued messages wait until something else is sent",
      "if (batch.requeues.length > 0 || isDone)",
      "if (isDone)",
      { tests: CONSUMER, filter: "requeue" },
    ],
    [
      "nobody hears that a queue is done",
      "if (batch.requeues.length > 0 || isDone)",
      "if (batch.requeues.length > 0)",
      { tests: CONFORMANCE, filter: "join" },
    ],
    [
      "close keeps what it has claimed",
      "await this.#giveBack([...this.#unsettled].filter(({ isPromoted }) => !isPromoted));",
      "",
      { tests: CONFORMANCE, filter: "close" },
    ],
    [
      "close keeps what it has not read yet",
      "        await this.#requeueUnread();\n",
      "",
      { tests: LONG },
    ],
    [
      "a consumer that is full claims more",
      "Math.min(this.#room, this.#limit, MAX_CLAIM)",
      "Math.min(this.#limit, MAX_CLAIM)",
      { tests: CONFORMANCE, filter: "prefetch" },
    ],
  ]),
  ...mutantsOf("brokers/sqlite/consumer_job.ts", CONSUMER, [
    [
      "a full disk ends the consumer",
      "if (!isTransient(error) || !this.#steps.isOpen())",
      "if (error !== undefined)",
      { filter: "no room" },
    ],
  ]),
  ...mutantsOf("brokers/sqlite/long_bodies.ts", LONG, [
    [
      "the next claim goes before long messages that are not read yet",
      "if (this.#rows.length > 0) {",
      "if (this.#rows.length < 0) {",
    ],
    [
      "all bodies are read in one turn",
      "performance.now() - begun > MAX_READING",
      "performance.now() < begun",
    ],
  ]),
  ...mutantsOf("brokers/sqlite/settlements.ts", CRASHES, [
    [
      "a body that becomes long replaces nothing",
      "if (isLong) connection.statement(INSERT_BODY).run(id, body);",
      "if (isLong) connection.statement(DELETE_BODY).run(id);",
      { filter: "deadLettering" },
    ],
    [
      "a body that becomes short leaves the long one",
      "else connection.statement(DELETE_BODY).run(id);",
      "",
      { filter: "deadLettering" },
    ],
  ]),
  ...mutantsOf("brokers/sqlite/worker_lease.ts", LEASES, [
    [
      "a worker whose row is gone goes on",
      "if (!isRecorded) return this.failTakenOver();",
      "",
      { tests: CONSUMER, filter: "row of its worker" },
    ],
    [
      "others count a heartbeat as new each time they look",
      "if (sighting === undefined || sighting.beat !== beat) {",
      "{",
    ],
    [
      "the first look at another worker finds it silent",
      "const isSilent = sighting?.beat === beat && now - sighting.seenAt >= this.#heartbeatTimeout;",
      "const isSilent = sighting?.beat === beat;",
      { tests: CONSUMER, filter: "several times" },
    ],
    [
      "a process that has ended is waited for",
      "if (isSilent || (host === this.#host && hasProcessEnded(pid))) {",
      "if (isSilent) {",
      { tests: COMMAND_LINE, filter: "killed" },
    ],
    [
      "close leaves the row of its worker",
      "      this.#connection.statement(DELETE_WORKER).run(owner);\n",
      "",
      { filter: "close" },
    ],
    [
      "a heartbeat that did not get through is the last one",
      "if (this.#owner !== undefined) this.#setTimer();",
      "",
      { tests: CONSUMER, filter: "followed by others" },
    ],
  ]),
  ...mutantsOf("brokers/sqlite/recovery.ts", [LEASES, CRASHES], [
    [
      "a worker that lives again is recovered to the end",
      "isDone = row?.beat !== beat;",
      "isDone = row === undefined;",
      { tests: CONSUMER, filter: "recover gives back" },
    ],
    [
      "the row of a dead worker stays",
      "      if (isDone) connection.statement(DELETE_WORKER).run(id);\n",
      "",
    ],
    [
      "nobody hears of what was recovered",
      "    if (changes > 0) connection.notifier.notify();\n",
      "",
    ],
  ]),
  ...mutantsOf("brokers/sqlite/storing.ts", PRIORITIES, [
    [
      "messages change places when the clock is set back",
      "this.#now = Math.max(this.#now, Math.trunc(this.#session.clock.now()));",
      "this.#now = Math.trunc(this.#session.clock.now());",
    ],
    [
      "a queue that a transaction made is remembered after its rollback",
      "    this.#queues.forget();\n",
      "",
      { tests: CONSUMER, filter: "rolled back" },
    ],
    [
      "a message that is stored wakes nobody",
      "    this.#connection.notifier.notify();\n",
      "",
      { tests: CONFORMANCE, filter: "receive" },
    ],
  ]),
  ...mutantsOf("brokers/sqlite/transactions.ts", TRANSACTIONS, [
    [
      "a function that returns a promise commits",
      "if (!(result instanceof Promise)) return result;",
      "if (result !== undefined) return result;",
    ],
    [
      "messages are sent outside of a transaction of the application",
      "if (isInTransaction(database) === false) {",
      "if (isInTransaction(database) === undefined) {",
    ],
    [
      "messages that are stored in half stay",
      "      database.exec(`rollback to ${SAVEPOINT}`);\n",
      "",
    ],
    [
      "another file passes for that of the broker",
      "    if (!isSame) {",
      "    if (isSame === undefined) {",
    ],
    [
      "a transaction that is over takes messages",
      "      isOver = true;\n",
      "",
    ],
  ]),
  ...mutantsOf("brokers/sqlite/dead_letters.ts", DEAD, [
    ["dead letters die at once", "Math.trunc(clock.now() - ttl)", "Math.trunc(clock.now())"],
  ]),
  ...mutantsOf("brokers/sqlite/sqlite_broker.ts", DEAD, [
    [
      "dead letters are kept for ever",
      "    connection.maintain(this.#purge);\n",
      "",
    ],
    [
      "close does not wait for consumers",
      "await Promise.allSettled([...consumers].map((consumer) => consumer.close()));",
      "void Promise.allSettled([...consumers].map((consumer) => consumer.close()));",
      { tests: LEASES, filter: "close", stays: "the end of the lease gives back what they have" },
    ],
  ]),
  ...mutantsOf("clients/sqlite/writer.ts", WRITER, [
    [
      "jobs of one that failed are taken for written",
      "for (const job of ran) job.failed(reason);",
      "for (const job of ran) job.committed();",
    ],
    [
      "a job that has a transaction of its own shares it",
      "if (job.isAlone && ran.length > 0) break;",
      "",
    ],
    [
      "others join a job that has a transaction of its own",
      "if (job.isAlone || ran.length >= MAX_JOBS) break;",
      "if (ran.length >= MAX_JOBS) break;",
    ],
    [
      "a heartbeat waits for all that is to be written before",
      "    this.#urgent.push(job);\n",
      "    this.#jobs.push(job);\n",
    ],
    [
      "the lock is waited for without an end",
      "if (now - this.#busySince >= this.#owner.lockTimeout) {",
      "if (now < this.#busySince) {",
    ],
    [
      "a lock that is had again counts on from the last time",
      "    this.#busySince = undefined;\n    this.#attempts = 0;\n    this.#transaction",
      "    this.#transaction",
    ],
    [
      "a transaction never ends while there is something to write",
      "if (ran.length % JOBS_PER_CHECK === 0 && performance.now() >= endsAt) break;",
      "",
    ],
    [
      "a transaction that failed stays open",
      "      rollBack(database);\n",
      "",
    ],
    [
      "drained does not wait for jobs that are added meanwhile",
      "while (this.#size > 0) await this.#idle",
      "if (this.#size > 0) await this.#idle",
    ],
  ]),
  ...mutantsOf("clients/sqlite/change_notifier.ts", NOTIFIER, [
    [
      "commits of other programs are never seen",
      "    this.#poll();\n    this.#owner.tick();\n",
      "    this.#owner.tick();\n",
    ],
    [
      "a file that was removed is written to as if it were there",
      "    if (stat?.ino !== this.#inode) this.#reopen();\n",
      "",
    ],
    [
      "a watched file that was renamed is noticed a second later",
      'if (event === "rename") this.#reopen();',
      "",
      { stays: "whether the file is there is looked at once a second as well" },
    ],
    [
      "others hear of commits only when they look by themselves",
      "    if (wait <= 0) this.#write();\n",
      "    if (wait <= 0) return;\n",
    ],
    [
      "the last commit of several in a millisecond is not told",
      "else this.#writeTimer = setTimeout(() => this.#write(), wait);",
      "",
    ],
    [
      "close forgets what is to be told",
      "    if (this.#writeTimer !== undefined) this.#write();\n",
      "",
    ],
  ]),
  ...mutantsOf("clients/sqlite/connection.ts", REPLACED, [
    [
      "a file that was replaced is written on",
      "      throw this.#lose(file);\n",
      "",
      { filter: "file" },
    ],
    [
      "consumers do not hear that the file was replaced",
      "    for (const listener of [...this.#lossListeners]) listener(error);\n",
      "",
      { tests: CONSUMER, filter: "moved away" },
    ],
    [
      "close cuts what is to be written",
      "    await this.writer.drained();\n",
      "",
      { tests: CONFORMANCE, filter: "close" },
    ],
  ]),
  ...mutantsOf("clients/sqlite/opening.ts", FILE_SYSTEMS, [
    [
      "network file systems are opened",
      "if (network !== undefined && !address.allowNetworkFileSystem) {",
      "if (network !== undefined && address.allowNetworkFileSystem) {",
    ],
    [
      "a new file may be read by all",
      'fs.openSync(path, "wx", 0o600)',
      'fs.openSync(path, "wx", 0o644)',
      { tests: FILES, filter: "owner" },
    ],
    [
      "a file that is gone is made anew under a worker",
      'if (!exists && isReopened) throw failed(given, "the file was deleted or moved");',
      "",
      { tests: REPLACED, filter: "deleted" },
    ],
  ]),
  ...mutantsOf("clients/sqlite/schema.ts", FILES, [
    [
      "a file of a newer library is written",
      "  if (needs <= SCHEMA) return schema;\n",
      "  return schema;\n",
      { filter: "newer" },
    ],
    [
      "two processes that make a file both make its tables",
      "const version = versionOf(database, path); // another process may have been faster",
      "const version = 0;",
      { tests: "tests/clients/sqlite/schema_test.ts" },
    ],
  ]),
  ...mutantsOf("clients/sqlite/maintenance.ts", FILE_SYSTEMS, [
    [
      "a long log is warned of again and again",
      "    this.#hasWarned = true;\n",
      "",
      { filter: "warns once" },
    ],
    [
      "only the first long log is warned of",
      "      this.#hasWarned = false;\n",
      "",
      { filter: "warns once" },
    ],
    [
      "a purge deletes one batch each time",
      "if (this.#connection.database !== undefined) this.#runAgain(task);",
      "",
      { tests: DEAD },
    ],
  ]),
  ...mutantsOf("results/backends/sqlite.ts", RESULTS, [
    [
      "results that have expired are given",
      "Math.trunc(this.clock.now()));",
      "-1);",
    ],
    ["a result that is stored wakes nobody", "    this.#connection.notifier.notify();\n", ""],
    ["results are kept for ever", "    this.#connection.maintain(this.#purge);\n", ""],
  ]),
  ...mutantsOf("rate_limits/backends/sqlite_counters.ts", LIMITS, [
    [
      "a member of a group counts each time",
      "if (Number(changes) > 0) {",
      "if (Number(changes) >= 0) {",
    ],
    [
      "callbacks of a group are claimed twice",
      'return this.add(`${group}@claim`, 1, CLAIM_TIME) ? "complete" : "claimed";',
      'return "complete";',
    ],
    [
      "a lease that has ended holds its place",
      "    this.#connection.statement(FORGET_MEMBERS).run(name, this.#now);\n",
      "",
    ],
    [
      "one who holds a lease cannot renew it when all are taken",
      "const mayHold = ttl > 0 && (own > 0 || count < limit);",
      "const mayHold = ttl > 0 && count < limit;",
    ],
    ["a counter is set twice", "if (this.get(key) !== undefined) return false;", ""],
  ]),
  ...mutantsOf("rate_limits/backends/sqlite.ts", LIMITS, [
    [
      "the sum may go beyond the maximum",
      "if (value > maximum || counters.sum(keys) + amount > maximum) return false;",
      "if (value > maximum) return false;",
    ],
    [
      "a barrier that is cleared wakes nobody",
      "    this.#connection.notifier.notify();\n",
      "",
    ],
    [
      "whoever waits for a barrier that was cleared before waits on",
      "    void this.#look([key]);\n",
      "",
    ],
  ]),
];
