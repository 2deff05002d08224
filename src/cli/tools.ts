/**
 * The tools beside the download, by their names.
 *
 * @module
 */

import { CREATE } from "./create.ts";
import { EDIT } from "./edit.ts";
import { SHOW } from "./show_sources.ts";
import type { Tool } from "./tool.ts";
import { VERIFY } from "./verify.ts";

/** Every tool. */
export const TOOL_TABLE: ReadonlyMap<string, Tool> = new Map([
  ["create", CREATE],
  ["edit", EDIT],
  ["show", SHOW],
  ["verify", VERIFY],
]);
