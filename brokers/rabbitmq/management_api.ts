import { redactUrl } from "../../clients/redact.ts";
import { ConnectionFailed } from "../../core/errors.ts";

/** Number of queues in a page. */
const PAGE_SIZE = 100;
/** Maximum of pages in a list. */
const MOST_PAGES = 20;
/** Timeout of a request, in milliseconds. */
const TIMEOUT = 5_000;

/** Numbers of messages of a queue. */
export interface QueueTotals {
  readonly name: string;
  /** `running`, or `stopped`, `down`, `crashed` for one that is unavailable, whose totals are absent. */
  readonly state?: string;
  readonly messages_ready?: number;
  readonly messages_unacknowledged?: number;
}

/** Queues of a virtual host. */
export interface QueueList {
  readonly queues: readonly QueueTotals[];
  /** True if there are more than one call reads. */
  readonly isPartial: boolean;
}

/**
 * Client of the HTTP API of RabbitMQ's management plugin. It requests totals only, for a hundred queues
 * at a time: with statistics, a list takes the server a hundred times as long.
 */
export class ManagementApi {
  readonly #base: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #vhost: string;

  /**
   * Stores the address.
   *
   * @param url Address of the API, with user and password if they differ from those for AMQP.
   * @param source The server, for AMQP.
   */
  constructor(
    url: URL,
    { username, password, vhost }: Readonly<Record<"username" | "password" | "vhost", string>>,
  ) {
    const base = new URL(url);
    const user = base.username === "" ? username : decodeURIComponent(base.username);
    const secret = base.username === "" ? password : decodeURIComponent(base.password);
    base.username = "";
    base.password = "";
    if (!base.pathname.endsWith("/")) base.pathname += "/";
    this.#base = base;
    const token = Array.from(
      new TextEncoder().encode(`${user}:${secret}`),
      (byte) => String.fromCharCode(byte),
    ).join("");
    this.#headers = { authorization: `Basic ${btoa(token)}`, accept: "application/json" };
    this.#vhost = encodeURIComponent(vhost);
  }

  /**
   * Lists the queues of the virtual host with their numbers of messages.
   *
   * @throws {ConnectionFailed} If the API cannot be reached, or refuses.
   */
  async listQueues(signal: AbortSignal | undefined): Promise<QueueList> {
    const queues: QueueTotals[] = [];
    let pages = 1;
    for (let page = 1; page <= pages && page <= MOST_PAGES; page++) {
      const query =
        `page=${page}&page_size=${PAGE_SIZE}&disable_stats=true&enable_queue_totals=true`;
      const answer = await this.#get(`api/queues/${this.#vhost}?${query}`, signal) as {
        readonly items?: readonly QueueTotals[];
        readonly page_count?: number;
      };
      queues.push(...answer.items ?? []);
      pages = answer.page_count ?? 1;
    }
    return { queues, isPartial: pages > MOST_PAGES };
  }

  /**
   * Reads when the first message of a queue was sent, in milliseconds since the epoch; `undefined` if the
   * queue is empty, or the message has no timestamp.
   */
  async headSince(queueName: string, signal: AbortSignal | undefined): Promise<number | undefined> {
    const path = `api/queues/${this.#vhost}/${encodeURIComponent(queueName)}`;
    const { head_message_timestamp: seconds } = await this.#get(path, signal) as {
      readonly head_message_timestamp?: unknown;
    };
    return typeof seconds === "number" ? seconds * 1_000 : undefined;
  }

  async #get(path: string, signal: AbortSignal | undefined): Promise<unknown> {
    const purpose = `Cannot ask ${redactUrl(this.#base)}`;
    const limit = AbortSignal.timeout(TIMEOUT);
    let response: Response;
    try {
      response = await fetch(new URL(path, this.#base), {
        headers: this.#headers,
        redirect: "error",
        signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw new ConnectionFailed(`${purpose}: ${(error as Error).message}`, { delivery: "none" });
    }
    if (response.ok) return await response.json();
    await response.body?.cancel();
    throw new ConnectionFailed(`${purpose}: it answered ${response.status}`, { delivery: "none" });
  }
}
