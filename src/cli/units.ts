// Bytes, durations and money as people write and read them. Pure text and numbers.
// Sizes are decimal (1 MB = 1,000,000 bytes) unless written with an i (1 MiB = 1,048,576).

const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1e3,
  kb: 1e3,
  m: 1e6,
  mb: 1e6,
  g: 1e9,
  gb: 1e9,
  kib: 1_024,
  mib: 1_048_576,
  gib: 1_073_741_824,
};
const DURATION_UNITS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  min: 60_000,
  h: 3_600_000,
};

/** Reads `100MB`, `1MiB`, `512`; null when it is nothing of the kind. */
export function parseBytes(text: string): number | null {
  return parseQuantity(text, BYTE_UNITS);
}

/** Reads `250ms`, `30s`, `5m`, `1h`, and 0; null for anything else: a bare 5 could be seconds as well. */
export function parseDurationMs(text: string): number | null {
  return text.trim() === "0" ? 0 : parseQuantity(text, DURATION_UNITS);
}

function parseQuantity(text: string, units: Readonly<Record<string, number>>): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = units[(match?.[2] ?? "?").toLowerCase()];
  if (match === null || unit === undefined) return null;
  const value = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(value) ? value : null;
}

/** `100 MB`, `1.5 KB`, `17 B`. */
export function formatBytes(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const steps = [
    [1e12, "TB"],
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "KB"],
  ] as const;
  // 999,999 bytes would round to "1000 KB": the next unit takes over just before that.
  const [step, unit] = steps.find(([each]) => bytes >= each * 0.9995) ?? [1e3, "KB"];
  return `${trim(bytes / step)} ${unit}`;
}

/** `1.52 GB/s`; a dash when no time passed. */
export function formatRate(bytes: number, ms: number): string {
  return ms > 0 ? `${formatBytes(Math.round((bytes * 1_000) / ms))}/s` : "-";
}

/** `0.42 ms`, `64 ms`, `1.3 s`, `2 min 5 s`, `3 h 7 min`. */
export function formatMs(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`;
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${trim(ms / 1_000)} s`;
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 120) return `${minutes} min ${Math.floor((ms % 60_000) / 1_000)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `$0.00` for nothing, else at least two significant digits: a GET costs millionths. */
export function formatDollars(dollars: number): string {
  if (dollars === 0) return "$0.00";
  if (dollars >= 1) return `$${dollars.toFixed(2)}`;
  return `$${dollars.toFixed(Math.min(12, 1 - Math.floor(Math.log10(dollars))))}`;
}

/** Three digits, without zeros at the end. */
function trim(value: number): string {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return String(Number(value.toFixed(digits)));
}
