/**
 * A thread beside the actors of a child process. A process that computes does not see that
 * its parent is gone, and would do so for ever; this one sees it.
 *
 * @module
 */
import { dieWithParent } from "../../core/runtime.ts";

dieWithParent();
