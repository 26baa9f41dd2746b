import { InlineExecutor, ProcessExecutor, ThreadExecutor } from "@dq/dramatiq";
import { testExecutor } from "../../conformance/executor.ts";
import { Fatal } from "./actors.ts";
import { ACTORS } from "./fixture.ts";

const realm = (module = ACTORS) => ({
  modules: [module],
  brokerExport: "broker",
  errorClasses: [Fatal],
});

testExecutor({
  name: "InlineExecutor",
  isInline: true,
  make: (concurrency) => new InlineExecutor({ concurrency }),
});
testExecutor({
  name: "ThreadExecutor",
  make: (concurrency, module) => new ThreadExecutor({ ...realm(module), threads: 1, concurrency }),
});
testExecutor({
  name: "ProcessExecutor",
  make: (concurrency, module) =>
    new ProcessExecutor({ ...realm(module), processes: 1, concurrency }),
});
