/**
 * The actors as worker processes know them; what they need to know comes in the environment, and so
 * does the broker (`DRAMATIQ_BROKER_URL`).
 *
 * @module
 */
import process from "node:process";
import { getBroker } from "../../mod.ts";
import { declareActors } from "./actors.ts";

const { DEMO_FOLDER = ".", DEMO_FAIL_EVERY = "0" } = process.env;

declareActors(getBroker(), { folder: DEMO_FOLDER, failEvery: Number(DEMO_FAIL_EVERY) });
