import { InlineExecutor, ProcessExecutor, ThreadExecutor } from "@dq/dramatiq";
import { testExecutor } from "../../conformance/executor.ts";
import { Fatal } from "./actors.ts";
import { ACTORS } from "./stage.ts";

const realm = { modules: [ACTORS], brokerExport: "broker", errorClasses: [Fatal] };

testExecutor({
  name: "InlineExecutor",
  isInline: true,
  make: (concurrency) => new InlineExecutor({ concurrency }),
});
testExecutor({
  name: "ThreadExecutor",
  make: (concurrency) => new ThreadExecutor({ ...realm, threads: 1, concurrency }),
});
testExecutor({
  name: "ProcessExecutor",
  make: (concurrency) => new ProcessExecutor({ ...realm, processes: 1, concurrency }),
});
