/**
 * Exit codes of the command line. Source: `exit_codes` in `tests/vectors/cli.json`.
 *
 * @module
 */

/** Stopped on request, or done. */
export const OK = 0;
/** It was killed, a process died unexpectedly, or the output of a command could not be written. */
export const KILLED = 1;
/** Wrong arguments, or a module that does not import. */
export const WRONG_USAGE = 2;
/** The broker cannot be reached. */
export const NO_CONNECTION = 3;
/** The pid file is in use, or cannot be used. */
export const PID_FILE = 4;
/** Of worker processes only: requests a replacement from the supervisor. */
export const REPLACE_ME = 75;
