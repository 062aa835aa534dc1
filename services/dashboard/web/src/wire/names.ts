/** Field names as the protos spell them, in whichever of JSON's two spellings an answer has them. */

const known = new Map<string, string>();

function spelled(name: string): string {
  let found = known.get(name);
  if (found === undefined) {
    found = /^[a-z][A-Za-z0-9]*$/.test(name) ? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : name;
    // Names of strangers may be without number: what is no field of ours is not kept.
    if (known.size < 2000) known.set(name, found);
  }
  return found;
}

/** Return a value with `issueNumber` as `issue_number`, all the way down. */
export function protoNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(protoNames);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [spelled(name), protoNames(field)]));
}
