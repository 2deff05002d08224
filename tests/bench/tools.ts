/**
 * What `btget create`, `btget verify` and the check of a download take for one
 * file of some GiB, with one core and with all of them, and what other creators
 * take. All take turns; medians are compared.
 *
 *     deno run -A tests/bench/tools.ts [RUNS [GIB]]
 *
 * `TMPDIR` on a tmpfs leaves the disk out; `BTGET_BINARY` names the executable.
 *
 * @module
 */

import { missingProgram } from "../support/conditional.ts";
import { TempFolder } from "../support/temp_folder.ts";
import { BTGET_COMMAND } from "./support/btget_command.ts";
import { median } from "./support/median.ts";

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const PIECE_LENGTH = 2 * MIB;

const [runs = 3, size = 4] = Deno.args.map(Number);

using folder = new TempFolder();
const data = folder.join("data");
{
  // Nothing that a file system could leave out.
  const part = new Uint8Array(MIB);
  for (let at = 0; at < part.length; at += 65_536) {
    crypto.getRandomValues(part.subarray(at, at + 65_536));
  }
  using file = await Deno.open(data, { write: true, create: true });
  for (let i = 0; i < size * 1024; i++) {
    part[0] = i;
    await file.write(part);
  }
}

const one = ["taskset", "-c", "0"];
const create = (form: string, out: string) => [
  ...BTGET_COMMAND,
  "create",
  data,
  `--${form}`,
  `-l${PIECE_LENGTH}`,
  "--allow-overwrite",
  "-qo",
  folder.join(out),
];
const verify = [
  ...BTGET_COMMAND,
  "verify",
  "-qd",
  folder.path,
  folder.join("hybrid.torrent"),
];
const verifyV1 = verify.with(-1, folder.join("v1.torrent"));
const check = [
  ...BTGET_COMMAND,
  "--check-integrity",
  "--hash-check-only",
  "-qd",
  folder.path,
  folder.join("v1.torrent"),
];
const commands: Record<string, string[]> = {};
for (const form of ["v1", "v2", "hybrid"]) {
  const command = create(form, `${form}.torrent`);
  commands[`create --${form}`] = command;
  commands[`create --${form}, one core`] = [...one, ...command];
}
commands["verify v1"] = verifyV1;
commands["verify v1, one core"] = [...one, ...verifyV1];
commands["verify hybrid"] = verify;
commands["verify hybrid, one core"] = [...one, ...verify];
commands["--check-integrity"] = check;
commands["--check-integrity, one core"] = [...one, ...check];
const other = folder.join("other.torrent");
if (missingProgram("mktorrent").length === 0) {
  commands["mktorrent (v1)"] = ["mktorrent", "-l21", "-o", other, data];
}
if (missingProgram("transmission-create").length === 0) {
  commands["transmission-create (v1)"] = [
    "transmission-create",
    "-s2048",
    "-o",
    other,
    data,
  ];
}

const seconds: Record<string, number[]> = {};
for (let run = 0; run < runs; run++) {
  for (const [name, [program, ...args]] of Object.entries(commands)) {
    await Deno.remove(other).catch(() => {});
    const start = performance.now();
    const { success, stderr } = await new Deno.Command(program!, {
      args,
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    (seconds[name] ??= []).push((performance.now() - start) / 1000);
  }
}

for (const [name, values] of Object.entries(seconds)) {
  const wall = median(values);
  const rate = (size * GIB / MIB / wall).toFixed(0).padStart(6);
  const alone = seconds[`${name}, one core`];
  const ratio = alone
    ? `  ${(median(alone) / wall).toFixed(2)} x one core`
    : "";
  // deno-lint-ignore no-console
  console.log(
    `${name.padEnd(26)} ${wall.toFixed(2).padStart(6)} s ${rate} MiB/s${ratio}`,
  );
}
