/**
 * Runs a function when the current one has returned, before any timer or input.
 *
 * It is `queueMicrotask` as it was when this module was imported: fake timers of test frameworks
 * replace it later, and with those of Jest a `TestBroker` would wait for ever.
 */
export const runInMicrotask: (run: () => void) => void = queueMicrotask;
