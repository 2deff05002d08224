/**
 * The version of the program, and how it names itself to others. Pure.
 *
 * @module
 */

/** The version of the program. */
export const VERSION = "0.1.0";

/** What the program calls itself, to servers and to peers. */
export const CLIENT_NAME: string = `btget/${VERSION}`;
