import { assertEquals } from "@std/assert";

import { UsageError } from "../../src/cli/options.ts";
import { EXIT, exitCodeOf, worstOf } from "../../src/cli/exit_code.ts";
import { SourceError, type SourceProblem } from "../../src/cli/source.ts";
import {
  BencodeError,
  GaveUpError,
  type GiveUpReason,
  MetainfoError,
  NetworkError,
  ProtocolError,
  StorageError,
  type StorageProblem,
} from "../../src/errors.ts";

Deno.test("EXIT keeps its numbers: scripts of others know them", () => {
  assertEquals(EXIT, {
    done: 0,
    unexpected: 1,
    usage: 2,
    sourceNotFound: 3,
    stalled: 5,
    network: 6,
    stopped: 7,
    diskFull: 9,
    exists: 13,
    denied: 15,
    diskIo: 17,
    notBencoded: 25,
    badTorrent: 26,
    badMagnet: 27,
    mismatch: 32,
  });
});

Deno.test("exitCodeOf() knows every error that is expected", async (t) => {
  const storage: Record<StorageProblem, number> = {
    "disk_full": 9,
    exists: 13,
    denied: 15,
    locked: 15,
    io: 17,
  };
  const source: Record<SourceProblem, number> = {
    sourceNotFound: 3,
    network: 6,
    denied: 15,
    badTorrent: 26,
    badMagnet: 27,
    notBencoded: 25,
  };
  const gaveUp: Record<GiveUpReason, number> = {
    stalled: 5,
    unreachable: 6,
    mismatch: 32,
  };
  const entries = <T extends string>(codes: Record<T, number>) =>
    Object.entries(codes) as [T, number][];
  const cases: [error: Error, code: number | undefined][] = [
    [new UsageError("x"), 2],
    [new BencodeError("x", 0), 25],
    [new MetainfoError("info", "x"), 26],
    [new NetworkError("x"), 6],
    ...entries(storage).map(([problem, code]): [Error, number] => [
      new StorageError(problem, { message: problem, path: "" }),
      code,
    ]),
    ...entries(source).map(([kind, code]): [Error, number] => [
      new SourceError(kind, kind),
      code,
    ]),
    ...entries(gaveUp).map(([reason, code]): [Error, number] => [
      new GaveUpError(reason, reason),
      code,
    ]),
    // Nobody expects these to come up here: they are bugs.
    [new ProtocolError("x"), undefined],
    [new TypeError("x"), undefined],
    [new Error("x"), undefined],
  ];
  for (const [error, code] of cases) {
    await t.step(`${error.name} ${error.message}`, () => {
      assertEquals(exitCodeOf(error), code);
    });
  }
  await t.step("what is no error", () => {
    assertEquals(exitCodeOf("x"), undefined);
    assertEquals(exitCodeOf(undefined), undefined);
  });
});

Deno.test("worstOf() takes the worst, whatever the order", () => {
  assertEquals(worstOf([]), 0);
  assertEquals(worstOf([0, 0]), 0);
  const worstFirst = [1, 2, 17, 9, 15, 13, 32, 26, 25, 27, 3, 6, 5, 7, 0];
  assertEquals(
    [...worstFirst].sort((a, b) => a - b),
    Object.values(EXIT).sort((a, b) => a - b),
  );
  worstFirst.forEach((code, i) => {
    const others = worstFirst.slice(i);
    assertEquals(worstOf(others), code);
    assertEquals(worstOf(others.toReversed()), code);
  });
});
