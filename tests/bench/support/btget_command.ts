import { fromFileUrl } from "@std/path";

const binary = Deno.env.get("BTGET_BINARY");

/** How to run the program: the executable that is named, or from source. */
export const BTGET_COMMAND: readonly [string, ...string[]] = binary
  ? [binary]
  : [
    Deno.execPath(),
    "run",
    "-A",
    "--no-check",
    fromFileUrl(new URL("../../../main.ts", import.meta.url)),
  ];
