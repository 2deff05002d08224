/**
 * What Deno permits this run, in words: what cannot work, and the flag that
 * would make it work. Nothing here ever leads to a prompt.
 *
 * @module
 */

import { type Endpoint, formatEndpoint } from "../bytes/endpoint.ts";
import { mayUseHost } from "../net/permission.ts";
import type { Tracker } from "../tracker/tracker.ts";
import type { DownloadCommand } from "./args.ts";
import { SourceError } from "./source.ts";

/**
 * Whether files may be read.
 *
 * @param path A file or folder.
 * @returns Whether that needs no prompt.
 */
export function mayRead(path: string): boolean {
  return isGranted({ name: "read", path });
}

/**
 * Whether files may be written.
 *
 * @param path A file or folder.
 * @returns Whether that needs no prompt.
 */
export function mayWrite(path: string): boolean {
  return isGranted({ name: "write", path });
}

/**
 * What will not work in this run, though it can go on without it.
 *
 * @param command What is wanted.
 * @returns A sentence for each.
 */
export function limitsOf({ folder, isCheckOnly }: DownloadCommand): string[] {
  const limits: string[] = [];
  if (!mayRead(folder)) {
    limits.push(
      "Without --allow-read nothing can be resumed, checked on disk or given " +
        `to others; to have that, run with --allow-read=${folder}`,
    );
  }
  if (!isCheckOnly && !isGranted({ name: "net" })) {
    limits.push(
      "Without --allow-net for everybody, only those that it names can be reached",
    );
  }
  return limits;
}

/**
 * Makes sure that what is wanted can be done in the download folder.
 *
 * @param command What is wanted.
 * @throws {SourceError} If not, with the flag to add.
 */
export function requireAccess(
  { folder, isCheckOnly, mustCheckAll, seeding }: DownloadCommand,
): void {
  if ((mustCheckAll || seeding) && !mayRead(folder)) {
    const what = seeding ? "served" : "checked";
    throw new SourceError(
      "denied",
      `What is in ${folder} may not be ${what}: run again with --allow-read=${folder}`,
    );
  }
  // What is served may be complete: then nothing is written.
  if (!isCheckOnly && !seeding && !mayWrite(folder)) {
    throw new SourceError(
      "denied",
      `Nothing may be written to ${folder}: run again with --allow-write=${folder}`,
    );
  }
}

/**
 * Whether there is anybody who may be reached, or who may reach us.
 *
 * @param options The trackers, the user's peers, the web seeds, and the port
 * that we listen on.
 * @returns Whether there is.
 */
export function mayReachAnybody(
  { trackers, peers, webSeeds, port }: {
    trackers: readonly (readonly Tracker[])[];
    peers: readonly Endpoint[];
    webSeeds: readonly string[];
    port: number | undefined;
  },
): boolean {
  return isGranted({ name: "net" }) || port !== undefined ||
    trackers.flat().some(({ name }) => mayAsk(new URL(name))) ||
    peers.some((peer) => mayUseHost(formatEndpoint(peer))) ||
    webSeeds.some((text) => {
      const url = URL.parse(text);
      return url !== null && mayAsk(url);
    });
}

/**
 * Says that there is nobody.
 *
 * @returns The error to end with.
 */
export function nobodyError(): SourceError {
  return new SourceError(
    "denied",
    "Nobody may be connected to: run again with --allow-net",
  );
}

function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
}

function mayAsk({ protocol, hostname, port }: URL): boolean {
  if (protocol === "udp:") {
    return mayUseHost(`${hostname}:${port}`) &&
      (mayUseHost("[::]:0") || mayUseHost("0.0.0.0:0"));
  }
  const usual = protocol === "https:" ? "443" : "80";
  return mayUseHost(`${hostname}:${port || usual}`);
}
