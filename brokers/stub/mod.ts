/**
 * A broker in memory, for tests and for programs of one process.
 *
 * @module
 */
export { StubBroker, type StubBrokerOptions, type StubJoinOptions } from "./stub_broker.ts";
