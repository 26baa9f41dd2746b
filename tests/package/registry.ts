import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

const PACKAGE = "/@dq/dramatiq";
const PUBLISH = /^\/api\/scopes\/dq\/packages\/dramatiq\/versions\/([^/]+)$/;

/**
 * A stand-in for JSR on this machine: takes one package from `deno publish`, and serves it to Deno.
 *
 * Source: what Deno 2.9 asks for, and the page "Registry API" of JSR's documentation.
 */
export class Registry implements AsyncDisposable {
  readonly #server: Server;
  readonly #folder: string;
  #version: string | undefined;

  private constructor(folder: string) {
    this.#folder = folder;
    this.#server = createServer((request, response) => {
      this.#answer(request).then(
        (body) => response.writeHead(body === undefined ? 404 : 200).end(body ?? "{}"),
        (error) => response.writeHead(500).end(String(error)),
      );
    });
  }

  /**
   * Starts it.
   *
   * @param folder Where it keeps the package.
   */
  static async start(folder: string): Promise<Registry> {
    const registry = new Registry(folder);
    await mkdir(folder, { recursive: true });
    registry.#server.listen(0, "127.0.0.1");
    await once(registry.#server, "listening");
    return registry;
  }

  /** Value of `JSR_URL`. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  /** Names of the files that were published. */
  async files(): Promise<string[]> {
    const entries = await readdir(this.#folder, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(this.#folder.length + 1))
      .toSorted();
  }

  /** Goes away, as a registry may. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage): Promise<string | Uint8Array | undefined> {
    const path = new URL(request.url!, this.url).pathname;
    const [, published] = PUBLISH.exec(path) ?? [];
    if (request.method === "POST" && published !== undefined) {
      return await this.#publish(request, published);
    }
    if (path === "/api/scopes/dq/packages/dramatiq") return JSON.stringify(PACKAGE_FIELDS);
    if (this.#version === undefined) return undefined;
    const version = this.#version;
    if (path === `${PACKAGE}/meta.json`) {
      const about = { scope: "dq", name: "dramatiq", latest: version, versions: { [version]: {} } };
      return JSON.stringify(about);
    }
    if (path === `${PACKAGE}/${version}_meta.json`) return await this.#manifest();
    const prefix = `${PACKAGE}/${version}/`;
    return path.startsWith(prefix)
      ? await readFile(join(this.#folder, path.slice(prefix.length)))
      : undefined;
  }

  async #publish(request: IncomingMessage, version: string): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const part of request) parts.push(part);
    const tarball = `${this.#folder}.tgz`;
    await writeFile(tarball, new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer()));
    await promisify(execFile)("tar", ["-xzf", tarball, "-C", this.#folder]);
    await rm(tarball);
    this.#version = version;
    return JSON.stringify({ ...PUBLISHED_FIELDS, packageVersion: version });
  }

  async #manifest(): Promise<string> {
    const { exports } = JSON.parse(await readFile(join(this.#folder, "deno.json"), "utf8"));
    const manifest: Record<string, { size: number; checksum: string }> = {};
    for (const path of await this.files()) {
      const bytes = await readFile(join(this.#folder, path));
      const hash = createHash("sha256").update(bytes).digest("hex");
      manifest[`/${path}`] = { size: bytes.length, checksum: `sha256-${hash}` };
    }
    return JSON.stringify({ manifest, exports });
  }
}

const TIMES = { createdAt: new Date().toISOString(), updatedAt: new Date().toISOString() };
const PACKAGE_FIELDS = { scope: "dq", name: "dramatiq", description: "", ...TIMES };
const PUBLISHED_FIELDS = {
  id: "1",
  status: "success",
  error: null,
  packageScope: "dq",
  packageName: "dramatiq",
  userId: "1",
  ...TIMES,
};
