/**
 * A local network that exists for one program only: multicast needs one, and
 * must not reach a real one.
 *
 * @module
 */

/** The addresses of the program in its network. */
export const LAN_ADDRESSES: readonly string[] = ["10.9.8.7", "fd00::7"];

/** A line from one end of a cable to the other; IPv6 where the system has it. */
const SETUP = `
set -e
ip link set lo up
ip link add v0 type veth peer name v1
ip addr add ${LAN_ADDRESSES[0]}/24 dev v0
ip -6 addr add ${LAN_ADDRESSES[1]}/64 dev v0 nodad 2>/dev/null || true
echo 1 >/proc/sys/net/ipv6/conf/v1/disable_ipv6 2>/dev/null || true
ip link set v0 up multicast on
ip link set v1 up
ip route add 224.0.0.0/4 dev v0
`;

const UNSHARE = ["unshare", "--net", "--map-root-user", "sh", "-c"] as const;

/** What starts a program in a network of its own. */
export const LAN_WRAPPER: readonly string[] = [
  ...UNSHARE,
  `${SETUP}exec "$0" "$@"`,
];

/** What starts a program where there is no network, not even a route. */
export const NO_LAN_WRAPPER: readonly string[] = [
  ...UNSHARE,
  'ip link set lo up; exec "$0" "$@"',
];

/**
 * Whether this system lets us make networks.
 *
 * @returns Nothing if it does, or a sentence that it does not.
 */
export function missingLan(): string[] {
  const [program, ...args] = UNSHARE;
  try {
    const { success } = new Deno.Command(program, {
      args: [...args, SETUP],
      stdout: "null",
      stderr: "null",
    }).outputSync();
    if (success) return [];
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return ["no network of a program's own can be made (unshare --net)"];
}
