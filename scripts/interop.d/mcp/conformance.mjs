// Runs server scenarios of the conformance suite: `conformance.mjs <server> <scenario>…`. Says for each, as a line of JSON,
// how many checks passed and failed, and what the suite has said.

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const suite = join(here, "node_modules/@modelcontextprotocol/conformance/dist/index.js");
const script = (text) => `data:text/javascript,${encodeURIComponent(text)}`;
// Node 20 has no `globSync`, which the suite needs for other commands only.
const fs = script('export * from "node:fs"; export const globSync = () => [];');
const hooks = script(`export const resolve = (specifier, context, next) =>
  specifier === "fs" ? { url: ${JSON.stringify(fs)}, shortCircuit: true } : next(specifier, context);`);
const shim = script(`import { register } from "node:module"; register(${JSON.stringify(hooks)});`);

const [server, ...scenarios] = process.argv.slice(2);
for (const scenario of scenarios) {
  const command = ["--import", shim, suite, "server", "--url", server, "--scenario", scenario];
  const { stdout, stderr } = spawnSync(process.execPath, command, { encoding: "utf8", timeout: 60_000 });
  const [, passed, failed] = stdout.match(/Passed: (\d+)\/\d+, (\d+) failed/) ?? [];
  console.log(JSON.stringify({ scenario, passed: Number(passed), failed: Number(failed), said: stdout + stderr }));
}
