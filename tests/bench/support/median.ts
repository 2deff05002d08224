/**
 * The number in the middle.
 *
 * @param numbers Some numbers, in any order; at least one.
 * @returns The one that as many are below as above.
 */
export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}
