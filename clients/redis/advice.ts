import type { Redis } from "ioredis";
import { NO_ADDRESS } from "../../core/global_broker.ts";
import { tlsAdvice } from "../tls_advice.ts";
import { isClusterSource, isSentinelSource, type RedisSource } from "./client.ts";

/**
 * Tells what to do about an address that was never up.
 *
 * @param source The address.
 * @param error The error of the connection.
 * @returns Text to append to the reason; empty if nothing is likely.
 */
export function adviceFor(source: RedisSource, error: unknown): string {
  if ("isDefault" in source && source.isDefault) return `; ${NO_ADDRESS}`;
  return tlsAdviceFor(source, error);
}

/** As {@linkcode adviceFor}, if TLS is the likely reason; several servers may differ in it. */
export function tlsAdviceFor(source: RedisSource, error: unknown): string {
  if (isClusterSource(source) || isSentinelSource(source)) return "";
  const options = "connection" in source ? source.connection : (source.client as Redis).options;
  return tlsAdvice(error, options?.tls !== undefined, "redis");
}
