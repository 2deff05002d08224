/**
 * `show`: tells what is in torrents.
 *
 * @module
 */

import { Session } from "../torrent/session.ts";
import type { DownloadCommand } from "./args.ts";
import type { Env } from "./env.ts";
import { EXIT, exitCodeOf, worstOf } from "./exit_code.ts";
import { messageOf } from "./failure.ts";
import { requireAnswer, scrape } from "./scrape.ts";
import { selectTrackers } from "./select_trackers.ts";
import { describeMagnet, describeStands, describeTorrent } from "./show.ts";
import { shownSource } from "./source.ts";
import { about, printable } from "./text.ts";
import { isMetainfo, readTorrent } from "./torrent_source.ts";

/**
 * Tells what is in torrents, and how many have them if that is wanted.
 *
 * @param command What is wanted.
 * @param env The world.
 * @returns The exit status.
 */
export async function show(
  command: DownloadCommand,
  env: Env,
): Promise<number> {
  const codes: number[] = [];
  const { signal } = new AbortController();
  await using session = new Session({ listenPorts: [] });
  for (const source of command.sources) {
    try {
      const torrent = await readTorrent(source, { stdin: env.stdin, signal });
      env.stdout.write(
        isMetainfo(torrent)
          ? describeTorrent(torrent)
          : describeMagnet(torrent),
      );
      if (command.scrapes) {
        const selection = selectTrackers(torrent, { command, session });
        const stands = await scrape(torrent, { ...selection, signal });
        env.stdout.write(describeStands(stands));
        requireAnswer(stands);
      }
    } catch (error) {
      const message = about(shownSource(source), messageOf(error));
      env.stderr.write(`btget: ${printable(message)}\n`);
      codes.push(exitCodeOf(error) ?? EXIT.unexpected);
    }
  }
  return worstOf(codes);
}
