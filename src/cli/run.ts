/**
 * `run`: one command, from its arguments to its exit status.
 *
 * @module
 */

import { VERSION } from "../version.ts";
import { parseCommand } from "./args.ts";
import { download } from "./download.ts";
import type { Env } from "./env.ts";
import { EXIT, exitCodeOf } from "./exit_code.ts";
import { messageOf, StopRequest } from "./failure.ts";
import { HELP } from "./help.ts";
import { UsageError } from "./options.ts";
import { show } from "./show_sources.ts";
import { printable } from "./text.ts";
import { TOOL_TABLE } from "./tools.ts";

/**
 * Runs the program.
 *
 * @param args The arguments.
 * @param env The world.
 * @returns The exit status.
 */
export async function run(
  args: readonly string[],
  env: Env,
): Promise<number> {
  const [first, ...rest] = args;
  const tool = first === undefined ? undefined : TOOL_TABLE.get(first);
  try {
    if (tool) return await tool.run(rest, env);
    const command = parseCommand(args);
    switch (command.type) {
      case "help":
        env.stdout.write(HELP);
        return EXIT.done;
      case "version":
        env.stdout.write(`btget ${VERSION}\n`);
        return EXIT.done;
      case "show":
        return await show(command, env);
      case "download":
        return await download(command, env);
    }
  } catch (error) {
    return report(error, { env, help: tool ? `${first} --help` : "--help" });
  }
}

/** Says what went wrong, and gives the exit status. */
function report(
  error: unknown,
  { env, help }: { env: Env; help: string },
): number {
  env.stderr.write(`btget: ${printable(messageOf(error))}\n`);
  if (error instanceof UsageError) {
    env.stderr.write(`Try 'btget ${help}'.\n`);
  }
  if (error instanceof StopRequest) return EXIT.stopped;
  return exitCodeOf(error) ?? EXIT.unexpected;
}
