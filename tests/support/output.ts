import process from "node:process";

/** Characters of a command that are printed: that of the suite names all of its files. */
const LONGEST_LINE = 200;

/** Where the output of commands goes: it is kept until it may be shown, so that two do not mix. */
export class Output {
  #kept: Uint8Array[] | undefined = [];

  /** Prints what was kept, and from now on everything at once. */
  show(): void {
    for (const chunk of this.#kept ?? []) process.stdout.write(chunk);
    this.#kept = undefined;
  }

  /**
   * Runs a command, and prints it.
   *
   * @param command The program and its arguments.
   * @param env Variables beside those of this process.
   * @returns Its exit code.
   */
  async run([program, ...args]: string[], env: Record<string, string> = {}): Promise<number> {
    const line = `$ ${program} ${args.join(" ")}`;
    const text = line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE)} …` : line;
    this.#write(new TextEncoder().encode(`${text}\n`));
    const isShown = this.#kept === undefined;
    // A command that has the terminal itself prints in colours.
    const stdio = isShown ? "inherit" : "piped";
    const child = new Deno.Command(program!, { args, env, stdout: stdio, stderr: stdio }).spawn();
    if (!isShown) await Promise.all([this.#keep(child.stdout), this.#keep(child.stderr)]);
    return (await child.status).code;
  }

  async #keep(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream) this.#write(chunk);
  }

  #write(chunk: Uint8Array): void {
    if (this.#kept === undefined) process.stdout.write(chunk);
    else this.#kept.push(chunk);
  }
}
