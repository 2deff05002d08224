import {
  assert,
  assertEquals,
  assertGreaterOrEqual,
  assertLessOrEqual,
} from "@std/assert";
import {
  about,
  fit,
  formatBytes,
  formatDuration,
  formatPercent,
  plural,
  printable,
  shownUrl,
  widthOf,
} from "../../src/cli/text.ts";

Deno.test("printable() escapes what a terminal obeys and what nobody sees", async (t) => {
  const cases: [text: string, shown: string][] = [
    ["plain, ünïcödé, 日本語, 👍", "plain, ünïcödé, 日本語, 👍"],
    ["e\u0301", "e\u0301"],
    ["", ""],
    ["a\x00b", "a\\x00b"],
    ["\x1b[2J", "\\x1b[2J"],
    ["\x1b]0;x\x07", "\\x1b]0;x\\x07"],
    ["a\r\n\tb", "a\\x0d\\x0a\\x09b"],
    ["\x7f", "\\x7f"],
    ["\x9b31m", "\\x9b31m"],
    ["soft\u00adhyphen", "soft\\xadhyphen"],
    ["exe.\u202efdp", "exe.\\u202efdp"],
    ["\u2066\u2069\u200f\u061c", "\\u2066\\u2069\\u200f\\u061c"],
    ["a\u200bb\u200db\ufeffb", "a\\u200bb\\u200db\\ufeffb"],
    ["\u2028\u2029", "\\u2028\\u2029"],
    ["\u{e0041}", "\\u{e0041}"],
    ["\ud800", "\\ud800"],
    ["a\udc00b", "a\\udc00b"],
  ];
  for (const [text, shown] of cases) {
    await t.step(JSON.stringify(text), () => {
      assertEquals(printable(text), shown);
    });
  }
  await t.step("of all characters", () => {
    for (let code = 0; code < 0x11_0000; code++) {
      const shown = printable(String.fromCodePoint(code));
      assert(!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(shown), `${code}`);
    }
  });
});

Deno.test("formatBytes() takes the unit that is easiest to read", async (t) => {
  const cases: [bytes: number, text: string][] = [
    [0, "0 B"],
    [0.4, "0 B"],
    [1, "1 B"],
    [1023, "1023 B"],
    [1023.4, "1023 B"],
    [1023.6, "1.0 KiB"],
    [1024, "1.0 KiB"],
    [1536, "1.5 KiB"],
    [1024 ** 2 - 52, "1023.9 KiB"],
    [1024 ** 2 - 1, "1.0 MiB"],
    [1024 ** 3 - 1, "1.0 GiB"],
    [5.25 * 1024 ** 3, "5.3 GiB"],
    [1024 ** 4, "1.0 TiB"],
    [2 ** 53, "8.0 PiB"],
    [2 ** 63, "8192.0 PiB"],
  ];
  for (const [bytes, text] of cases) {
    await t.step(`${bytes}`, () => assertEquals(formatBytes(bytes), text));
  }
});

Deno.test("formatDuration() names the two largest units", async (t) => {
  const cases: [seconds: number, text: string][] = [
    [0, "0s"],
    [0.04, "0.0s"],
    [1.25, "1.3s"],
    [3, "3s"],
    [9.94, "9.9s"],
    [9.96, "10s"],
    [59.4, "59s"],
    [59.6, "1m"],
    [61, "1m 1s"],
    [3599.7, "1h"],
    [7500, "2h 5m"],
    [86_399, "23h 59m"],
    [90_061, "1d 1h"],
    [99 * 86_400, "99d"],
    [100 * 86_400, ">99d"],
    [1e15, ">99d"],
    [Infinity, ">99d"],
  ];
  for (const [seconds, text] of cases) {
    await t.step(`${seconds}`, () => {
      assertEquals(formatDuration(seconds), text);
    });
  }
});

Deno.test("formatPercent() says 100 only when nothing is missing", async (t) => {
  const cases: [part: number, whole: number, text: string][] = [
    [0, 0, "100%"],
    [0, 10, "0.0%"],
    [1, 3, "33.3%"],
    [999, 1000, "99.9%"],
    [9999, 10_000, "99.9%"],
    [2 ** 40 - 1, 2 ** 40, "99.9%"],
    [Number.MAX_SAFE_INTEGER - 1, Number.MAX_SAFE_INTEGER, "99.9%"],
    [10, 10, "100%"],
  ];
  for (const [part, whole, text] of cases) {
    await t.step(`${part} of ${whole}`, () => {
      assertEquals(formatPercent(part, whole), text);
    });
  }
});

Deno.test("plural() counts", () => {
  assertEquals(plural(0, "peer"), "0 peers");
  assertEquals(plural(1, "peer"), "1 peer");
  assertEquals(plural(2, "peer"), "2 peers");
});

Deno.test("about() names its subject once", () => {
  assertEquals(about("x", "is empty"), "x: is empty");
  assertEquals(about("x", "x is empty"), "x is empty");
  // The subject is no part of a word, and no other word of the sentence.
  assertEquals(about("s", "stopped"), "s: stopped");
  assertEquals(about("x", "no x is here"), "x: no x is here");
});

Deno.test("shownUrl() leaves out what may be secret", async (t) => {
  const cases: [url: string, shown: string][] = [
    ["http://tracker.example/announce", "http://tracker.example/announce"],
    ["http://u:p@h:1/a?passkey=1#x", "http://h:1/a"],
    [
      "https://h/0123456789abcdef0123456789abcdef/announce",
      "https://h/…/announce",
    ],
    ["udp://h:80/announce?k=v", "udp://h:80/announce"],
    ["no URL", "no URL"],
  ];
  for (const [url, shown] of cases) {
    await t.step(url, () => assertEquals(shownUrl(url), shown));
  }
});

/** Texts and their widths as `wcwidth()` of a C library has them. */
const WIDTHS: [text: string, width: number][] = [
  ["", 0],
  ["abc", 3],
  ["ünï", 3],
  ["日本語", 6],
  ["한국어", 6],
  ["ｆｕｌｌ", 8],
  ["e\u0301", 1],
  ["a\u20dd", 1],
  // A vowel sign with a column of its own.
  ["क\u093f", 2],
  ["👍", 2],
  ["𠮷", 2],
  ["─│", 2],
  // A picture by the selector after it: terminals differ, the most counts.
  ["❤\ufe0f", 2],
];

Deno.test("widthOf() is never less than what a terminal takes", async (t) => {
  for (const [text, width] of WIDTHS) {
    await t.step(text, () => assertEquals(widthOf(text), width));
  }
});

Deno.test("fit() cuts to every width and says so", async (t) => {
  for (const [text] of WIDTHS) {
    const long = text.repeat(5);
    await t.step(long, () => {
      for (let width = 0; width < 40; width++) {
        const cut = fit(long, width);
        assertLessOrEqual(widthOf(cut), width);
        if (widthOf(long) <= width) {
          assertEquals(cut, long);
        } else if (width > 0) {
          assertEquals(cut, `${long.slice(0, cut.length - 1)}…`);
          // Only a wide character that does not fit leaves a column free.
          assertGreaterOrEqual(widthOf(cut), width - 1);
        }
      }
    });
  }
});
