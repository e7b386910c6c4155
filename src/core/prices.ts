// What the providers charge, as tables with date and source, and the little arithmetic on them: what time and
// invocations cost, and how long waiting costs as much as coming back. It knows nothing of purposes.

/** What one provider charged at one time. */
export interface PriceTable {
  readonly name: string;
  /** The day on which the page said so. */
  readonly asOf: string;
  readonly source: string;
  readonly dollarsPerInvocation: number;
  readonly dollarsPerGbSecond: number;
  /** Time is billed in whole multiples of this, in milliseconds. */
  readonly unitMs: number;
  /** The start of an environment is billed like the invocation itself. */
  readonly isInitBilled: boolean;
}

const LAMBDA_PAGE = "https://aws.amazon.com/lambda/pricing/";

/** The tables that can be chosen, us-east-1, on demand. */
export const PRICES = {
  /** AWS Lambda on x86; INIT billed since August 2025. */
  "lambda-x86": {
    name: "lambda-x86",
    asOf: "2026-01-01",
    source: LAMBDA_PAGE,
    dollarsPerInvocation: 0.2e-6,
    dollarsPerGbSecond: 0.000_016_666_7,
    unitMs: 1,
    isInitBilled: true,
  },
  /** AWS Lambda on Graviton: a fifth cheaper. */
  "lambda-arm": {
    name: "lambda-arm",
    asOf: "2026-01-01",
    source: LAMBDA_PAGE,
    dollarsPerInvocation: 0.2e-6,
    dollarsPerGbSecond: 0.000_013_333_4,
    unitMs: 1,
    isInitBilled: true,
  },
  /** The rules under which the paper's figures were made. */
  "lambda-2020": {
    name: "lambda-2020",
    asOf: "2020-02-01",
    source: "InfiniCache, FAST'20, section 4.4",
    dollarsPerInvocation: 0.2e-6,
    dollarsPerGbSecond: 0.000_016_666_7,
    unitMs: 100,
    isInitBilled: false,
  },
} as const satisfies { readonly [name: string]: PriceTable };

/** What a run of `durationMs` is billed under these prices, in milliseconds; `initMs` of a new environment, else 0. */
export function billedMs(prices: PriceTable, durationMs: number, initMs: number): number {
  const ranMs = durationMs + (prices.isInitBilled ? initMs : 0);
  // A run is never free, and a sum like 100.00000000000001 ms must not cost a whole unit more.
  const units = Math.ceil(Math.max(ranMs, Number.MIN_VALUE) / prices.unitMs - 1e-9);
  return Math.max(1, units) * prices.unitMs;
}

/** Gigabytes of 1,024 MB, times seconds. */
export function gbSeconds(memoryMb: number, ms: number): number {
  return (memoryMb * ms) / (1_024 * 1_000);
}

/** The price of invocations and the time they took. */
export function dollars(prices: PriceTable, invocations: number, gbSecondsTotal: number): number {
  return invocations * prices.dollarsPerInvocation + gbSecondsTotal * prices.dollarsPerGbSecond;
}

/**
 * How long holding a function costs as much as one invoke fee: the linger of the ski rental (see billing-policy.ts).
 * At 1.5 GB it is 8 ms on x86 and 10 ms on arm.
 */
export function breakEvenMs(prices: PriceTable, memoryMb: number): number {
  return prices.dollarsPerInvocation / (gbSeconds(memoryMb, 1) * prices.dollarsPerGbSecond);
}
