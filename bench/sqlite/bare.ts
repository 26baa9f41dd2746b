import { ACK, CLAIM, INSERT } from "../../brokers/sqlite/statements.ts";
import { openDatabase, type OwnDatabase } from "../../clients/sqlite/database.ts";
import { migrate } from "../../clients/sqlite/schema.ts";
import { Message } from "../../mod.ts";

/** The body of a message, as the library writes it. */
const MESSAGE = new Message({ queueName: "default", actorName: "noop", args: [1, "two"] });
const BODY = String(MESSAGE.encode());
const QUEUE = 1;
const OWNER = 1;

/** The statements of the broker on its tables, in a loop: nothing is encoded, awaited or told. */
export class Bare {
  readonly #database: OwnDatabase;

  /** Opens a new file. */
  constructor(path: string) {
    this.#database = openDatabase(path);
    for (const pragma of ["busy_timeout=0", "journal_mode=wal", "synchronous=normal"]) {
      this.#database.prepare(`pragma ${pragma}`).get();
    }
    migrate(this.#database, path);
  }

  /** Inserts messages, some in each transaction. */
  enqueue(count: number, batch: number): void {
    const [begin, insert, commit] = this.#prepare("begin immediate", INSERT, "commit");
    const { messageId, actorName, messageTimestamp } = MESSAGE;
    for (let done = 0; done < count; done += batch) {
      begin.run();
      for (let i = 0; i < batch; i++) {
        insert.run(QUEUE, 0, 0, done, messageId, actorName, messageTimestamp, BODY);
      }
      commit.run();
    }
  }

  /** Claims messages and deletes those of the claim before in one transaction. */
  work(count: number, batch: number): void {
    const [begin, claim, ack, commit] = this.#prepare("begin immediate", CLAIM, ACK, "commit");
    let held: { id: number }[] = [];
    for (let done = 0; done < count + batch; done += batch) {
      begin.run();
      for (const { id } of held) ack.run(id, OWNER);
      held = claim.all(OWNER, QUEUE, batch) as { id: number }[];
      commit.run();
    }
  }

  /** Closes it. */
  close(): void {
    this.#database.close();
  }

  #prepare<const T extends readonly string[]>(...texts: T) {
    return texts.map((sql) => this.#database.prepare(sql)) as {
      [K in keyof T]: ReturnType<OwnDatabase["prepare"]>;
    };
  }
}
