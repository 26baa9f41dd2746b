// What the contestants on PostgreSQL share.
import pg from "pg";

const POOL_SIZE = 10;

/** How to connect as the user that bench/redis/postgres.ts makes, who needs no password. */
export function settingsOf({ host, port }) {
  return { host, port, user: "postgres", database: "postgres", max: POOL_SIZE };
}

/** Opens a pool of connections. */
export function openPool(server) {
  const pool = new pg.Pool(settingsOf(server));
  const fail = (error) => {
    throw error;
  };
  pool.on("error", fail);
  pool.on("connect", (client) => client.on("error", fail));
  return pool;
}
