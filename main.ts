/**
 * The program: see `btget --help`.
 *
 * @module
 */

import { REAL_ENV } from "./src/cli/env.ts";
import { run } from "./src/cli/run.ts";

Deno.exit(await run(Deno.args, REAL_ENV));
