import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import process from "node:process";
import { createInterface } from "node:readline";

/**
 * Reads expressions, one a line, has the node evaluate each, and answers each with a line:
 * `ok` and the value as JSON, or `no` and why not. Ends with its input.
 */
const programFor = (node: string): string =>
  String.raw`
  io:setopts([{encoding, unicode}]),
  Node = '${node}',
  Answer = fun(Line) ->
    {ok, Tokens, _} = erl_scan:string(Line),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    case rpc:call(Node, erl_eval, exprs, [Expressions, []]) of
      {value, Value, _} ->
        case rpc:call(Node, rabbit_json, encode, [Value]) of
          Json when is_binary(Json) -> ["ok ", Json];
          Other -> ["no ", io_lib:format("~0p", [Other])]
        end;
      Other -> ["no ", io_lib:format("~0p", [Other])]
    end
  end,
  Loop = fun(Again) ->
    case io:get_line("") of
      Line when is_list(Line) ->
        Text = try Answer(Line) catch Class:Reason -> ["no ", io_lib:format("~0p", [{Class, Reason}])] end,
        io:put_chars([Text, "\n"]),
        Again(Again);
      _ -> halt()
    end
  end,
  Loop(Loop).
`;

/** Contents of a queue, and who listens to it. */
export interface QueueCounts {
  /** Messages that wait. */
  readonly ready: number;
  /** Messages that consumers have and have not settled. */
  readonly unacknowledged: number;
  /** Number of consumers. */
  readonly consumers: number;
}

/** A consumer as the server sees it. */
export interface ServerConsumer {
  readonly queue: string;
  readonly isAckRequired: boolean;
  readonly prefetch: number;
}

/** What a list of queues says of quorum queues is up to five seconds old: they are asked themselves. */
const ALL_COUNTS = `Fresh = maps:from_list([{amqqueue:get_name(Q), Ready} ||
    Q <- rabbit_amqqueue:list(<<"/">>), amqqueue:get_type(Q) =:= rabbit_quorum_queue,
    {ok, Ready, _} <- [(catch rabbit_amqqueue:stat(Q))]]),
  [#{name => element(4, proplists:get_value(name, Q)),
  ready => maps:get(proplists:get_value(name, Q), Fresh, proplists:get_value(messages_ready, Q, 0)),
  unacknowledged => proplists:get_value(messages_unacknowledged, Q, 0),
  consumers => proplists:get_value(consumers, Q, 0)} ||
  Q <- rabbit_amqqueue:info_all(<<"/">>, [name, messages_ready, messages_unacknowledged, consumers])].`;

const ALL_CONSUMERS = `[#{queue => element(4, proplists:get_value(queue_name, C)),
  isAckRequired => proplists:get_value(ack_required, C),
  prefetch => proplists:get_value(prefetch_count, C)} ||
  C <- rabbit_amqqueue:consumers_all(<<"/">>)].`;

const CONNECTIONS = "length(rabbit_networking:connections()).";

/** The user in whose name things are changed. */
const TESTS = '<<"tests">>';

/** A text in Erlang, as bytes. */
const binary = (text: string): string => `<<${JSON.stringify(text)}>>`;

/**
 * Asks a RabbitMQ, and tells it, in about a millisecond what takes `rabbitmqctl` half a
 * second: an Erlang machine of its own stays connected with it.
 */
export class RabbitmqConsole implements AsyncDisposable {
  readonly #erl: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<void>;
  readonly #waiting: PromiseWithResolvers<string>[] = [];
  #complaint = "";

  /**
   * @param program Where `erl` is.
   * @param env Variables with the place and the name of the node.
   */
  constructor(program: string, env: Readonly<Record<string, string>>) {
    const name = `console-${crypto.randomUUID()}@localhost`;
    const evaluated = programFor(env["RABBITMQ_NODENAME"]!);
    this.#erl = spawn(program, ["-noshell", "-hidden", "-sname", name, "-eval", evaluated], {
      env: { ...process.env, ...env },
    });
    createInterface({ input: this.#erl.stdout }).on("line", (line) => {
      this.#waiting.shift()?.resolve(line);
    });
    this.#erl.stderr.setEncoding("utf8").on("data", (text) => this.#complaint += text);
    this.#erl.stdin.on("error", () => {}); // It has ended, which is told below.
    this.#ended = new Promise((resolve) => {
      const end = () => {
        for (const { reject } of this.#waiting.splice(0)) {
          reject(new Error(`Cannot ask RabbitMQ: the console has ended. ${this.#complaint}`));
        }
        resolve();
      };
      this.#erl.on("close", end);
      this.#erl.on("error", end);
    });
  }

  /**
   * Has the server evaluate Erlang expressions.
   *
   * @param expressions Separated by commas, with a full stop at the end.
   * @returns The value of the last, as far as JSON can hold it.
   * @throws {Error} If they fail, or the server is not there.
   */
  async evaluate(expressions: string): Promise<unknown> {
    const answer = Promise.withResolvers<string>();
    this.#waiting.push(answer);
    this.#erl.stdin.write(`${expressions.replaceAll(/\s*\n\s*/g, " ")}\n`);
    const line = await answer.promise;
    if (line.startsWith("ok ")) return JSON.parse(line.slice(3));
    throw new Error(`Cannot evaluate ${expressions}: ${line.slice(3)}`);
  }

  /** Contents of each queue at this instant, by name. */
  async counts(): Promise<Map<string, QueueCounts>> {
    const queues = await this.evaluate(ALL_COUNTS) as ({ name: string } & QueueCounts)[];
    return new Map(queues.map(({ name, ...counts }) => [name, counts]));
  }

  /** All consumers. */
  async consumers(): Promise<ServerConsumer[]> {
    return await this.evaluate(ALL_CONSUMERS) as ServerConsumer[];
  }

  /** Number of clients that are connected. */
  async countConnections(): Promise<number> {
    return await this.evaluate(CONNECTIONS) as number;
  }

  /**
   * Sets a policy.
   *
   * @param name Its name.
   * @param pattern Queues that it is for.
   * @param definition What it sets.
   */
  async setPolicy(name: string, pattern: string, definition: object): Promise<void> {
    const [named, queues, json] = [name, pattern, JSON.stringify(definition)].map(binary);
    await this.evaluate(
      `ok = rabbit_policy:parse_set(<<"/">>, ${named}, ${queues}, ${json}, <<"0">>, <<"queues">>, ${TESTS}).`,
    );
  }

  /** Removes a policy. */
  async clearPolicy(name: string): Promise<void> {
    await this.evaluate(`ok = rabbit_policy:delete(<<"/">>, ${binary(name)}, ${TESTS}).`);
  }

  /** Adds a user without permissions. */
  async addUser(name: string, password: string): Promise<void> {
    const [named, secret] = [name, password].map(binary);
    await this.evaluate(
      `ok = rabbit_auth_backend_internal:add_user(${named}, ${secret}, ${TESTS}).`,
    );
  }

  /**
   * Sets what a user may do.
   *
   * @param name The user.
   * @param pattern Names of what it may configure, write and read.
   */
  async setPermissions(name: string, pattern: string): Promise<void> {
    const [named, allowed] = [name, pattern].map(binary);
    await this.evaluate(
      `ok = rabbit_auth_backend_internal:set_permissions(${named}, <<"/">>, ` +
        `${allowed}, ${allowed}, ${allowed}, ${TESTS}).`,
    );
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#erl.stdin.end();
    this.#erl.kill("SIGKILL");
    await this.#ended;
  }
}
