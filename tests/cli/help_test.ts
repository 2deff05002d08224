import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { FLAGS, SHORT, VALUES } from "../../src/cli/options.ts";
import { EXIT } from "../../src/cli/exit_code.ts";
import { HELP } from "../../src/cli/help.ts";

const LINES = HELP.split("\n");

Deno.test("HELP fits a screen of 80 columns in plain ASCII", () => {
  for (const line of LINES) assertLessOrEqual(line.length, 80, line);
  assert(/^[\n\x20-\x7e]+\n$/.test(HELP));
  assertLessOrEqual(LINES.length, 50);
});

Deno.test("HELP names every option, and no other", () => {
  const named = HELP.matchAll(/(?:-(\w), )?--([a-z-]+)( [A-Z]|\n|,| {2})/g)
    .map(([, letter, name, value]) => ({
      name: name!,
      letter,
      hasValue: /^ [A-Z]/.test(value!),
    }))
    .toArray();
  assertEquals(
    named.map(({ name }) => name).sort(),
    [...FLAGS, ...VALUES].sort(),
  );
  for (const { name, letter, hasValue } of named) {
    assertEquals(hasValue, VALUES.includes(name), name);
    const known = Object.keys(SHORT).find((key) => SHORT[key] === name);
    assertEquals(letter, known, name);
  }
  assertEquals([...HELP.matchAll(/--[a-z]/g)].length, named.length);
});

Deno.test("HELP names every exit status, and no other", () => {
  const table = HELP.slice(HELP.indexOf("Exit status"));
  const named = table.matchAll(/(?:^ {2}| {2})( ?\d+) [a-z]/gm)
    .map(([, code]) => Number(code)).toArray();
  assertEquals(
    named.sort((a, b) => a - b),
    Object.values(EXIT).sort((a, b) => a - b),
  );
});
