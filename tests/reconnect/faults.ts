import type { TcpProxy } from "../support/servers/proxy.ts";
import type { ProxyFault } from "../support/servers/proxy_fault.ts";
import type { MatrixServer } from "./systems.ts";

/** Site of a fault. */
export interface Site {
  readonly server: MatrixServer;
  /** One for each cell, in front of that server. */
  readonly proxies: readonly TcpProxy[];
}

/** One row of the matrix: what happens to a server, or to the way there. */
export interface Fault {
  readonly name: string;
  /** True if it happens to the server itself, and so to all who use it. */
  readonly isOfServer: boolean;
  /** True if every connection notices the fault at once. */
  readonly severs: boolean;
  /** True if connections come up under it, and are lost again. */
  readonly flaps?: boolean;
  begin(site: Site): Promise<void>;
  /** Resolves when the server is well. */
  end(site: Site): Promise<void>;
}

/** All of them. */
export const FAULTS: readonly Fault[] = [
  {
    name: "refused",
    isOfServer: false,
    severs: true,
    begin: ({ proxies }) =>
      forEach(proxies, async (proxy) => {
        proxy.refuse();
        await proxy.cut();
      }),
    end: ({ proxies }) => forEach(proxies, (proxy) => proxy.accept()),
  },
  ofProxy("accepted and silent", { kind: "silent", answers: 0 }),
  { ...ofProxy("silent from the 3rd answer on", { kind: "silent", answers: 2 }), flaps: true },
  {
    name: "half-open",
    isOfServer: false,
    severs: false,
    begin: ({ proxies }) => forEach(proxies, (proxy) => proxy.abandon()),
    end: () => Promise.resolve(), // new connections are well from the beginning
  },
  { ...ofProxy("cut in the middle of an answer", { kind: "cut" }), flaps: true },
  { ...ofProxy("reset", { kind: "reset" }), severs: true },
  ofProxy("one byte a second", { kind: "trickle" }),
  {
    name: "server stopped (SIGSTOP)",
    isOfServer: true,
    severs: false,
    begin: ({ server }) => server.freeze(),
    end: ({ server }) => server.thaw(),
  },
  {
    name: "server restarted",
    isOfServer: true,
    severs: true,
    begin: ({ server }) => server.down(),
    end: ({ server }) => server.up(),
  },
];

function ofProxy(name: string, fault: ProxyFault): Fault {
  return {
    name,
    isOfServer: false,
    severs: false,
    begin: ({ proxies }) => forEach(proxies, (proxy) => proxy.begin(fault)),
    end: ({ proxies }) => forEach(proxies, (proxy) => proxy.heal()),
  };
}

async function forEach(
  proxies: readonly TcpProxy[],
  act: (proxy: TcpProxy) => void | Promise<void>,
): Promise<void> {
  await Promise.all(proxies.map(act));
}
