// `model …`: the paper's models of availability and cost, computed. They ask no proxy and no function: what they say
// follows from their options alone, and is no measurement.

import { type CodeSpec, chunkCount, formatCode } from "../../core/code.ts";
import { FUNCTION_TIMEOUT_MS, STRIPES_PER_OBJECT_MAX } from "../../core/limits.ts";
import { PRICES, type PriceTable } from "../../core/prices.ts";
import {
  availability as availabilityOf,
  type ReclaimRow,
  reclaimRows,
} from "../../sim/models/availability.ts";
import { crossoverGetsPerHour, hourlyCost, type PoolLoad } from "../../sim/models/hourly-cost.ts";
import { pairReclaimCounts } from "../../sim/models/pair-reclaims.ts";
import { MINUTES_MAX, type ReclaimModel, reclaimCounts } from "../../sim/models/reclaim-counts.ts";
import type { CommandContext, CommandOptions } from "../context.ts";
import type { ExitName } from "../exit-codes.ts";
import { OptionReader } from "../option-reader.ts";
import { formatTable } from "../terminal.ts";
import { formatDollars, formatMs } from "../units.ts";

const NODES_MAX = 1_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = MINUTES_MAX * MINUTE_MS;
/** More numbers of reclaimed functions than this do not fit a page: those that matter least are left out. */
const ROWS_SHOWN_MAX = 20;

/** Prints what reclaiming does to objects. */
export async function availability(
  { terminal }: CommandContext,
  _args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const reader = new OptionReader(options);
  const nodes = reader.count("nodes", 1, NODES_MAX);
  const code = reader.code("code");
  const intervalMs = reader.durationMs("interval", 1, DAY_MS);
  const stripeCounts = reader.counts("stripes", 1, STRIPES_PER_OBJECT_MAX);
  const hasReplicas = options["replicas"] === true;
  const instances = hasReplicas ? 2 * nodes : nodes;
  const model = readModel(reader, instances);
  if (chunkCount(code) > nodes) {
    const needed = `a stripe of ${formatCode(code)} needs ${chunkCount(code)} functions`;
    reader.fail("nodes", `${needed}; there are ${nodes}`, null);
  }
  const isPerMinute = model.kind === "heavy-tailed" || model.kind === "counts";
  if (isPerMinute && intervalMs % MINUTE_MS !== 0)
    reader.fail("interval", "must be whole minutes: the counts are those of a minute", null);
  if (model.kind === "mass" && intervalMs > model.everyHours * HOUR_MS)
    reader.fail("interval", `must be at most the ${model.everyHours} h of --reclaims`, null);
  reader.finish();
  const gone = reclaimCounts(model, instances, intervalMs);
  const counts = hasReplicas ? pairReclaimCounts(nodes, gone) : gone;
  const rows = reclaimRows({ nodes, code, stripes: 1 }, counts);
  const objects = stripeCounts.map((stripes) => {
    const { rows: _rows, ...sums } = availabilityOf({ nodes, code, stripes }, counts, intervalMs);
    return { stripes, ...sums };
  });
  if (terminal.isJson) {
    const reclaims = describeModel(model);
    // For one stripe: what a number of stripes makes of it, `objects` says.
    const reported = rows.map(({ reclaimed, probability, chunksLost, stripeLoss, share }) => ({
      reclaimed,
      probability,
      chunksLost,
      stripeLoss,
      share,
    }));
    const parameters = { nodes, code: formatCode(code), intervalMs, reclaims, hasReplicas };
    terminal.out(JSON.stringify({ ...parameters, rows: reported, objects }));
    return "ok";
  }
  terminal.out(
    `${formatCode(code)} over ${nodes} functions${hasReplicas ? " with a replica each" : ""}; reclaims: ${describeModel(model)}; ` +
      `what is lost is made good within ${formatMs(intervalMs)}`,
  );
  terminal.out("");
  for (const line of rowLines(rows, code)) terminal.out(line);
  terminal.out("");
  terminal.out(
    formatTable(
      ["stripes", "loss per interval", "loss per hour", "availability per hour"],
      objects.map((each) => [
        String(each.stripes),
        formatProbability(each.lossPerInterval),
        formatProbability(each.lossPerHour),
        formatAvailability(each.availabilityPerHour, each.lossPerHour),
      ]),
      [0, 1, 2, 3],
    ),
  );
  return "ok";
}

/** Prints what an hour costs, under every price table. */
export async function cost(
  { terminal }: CommandContext,
  _args: readonly string[],
  options: CommandOptions,
): Promise<ExitName> {
  const reader = new OptionReader(options);
  const round = (name: string) => ({
    everyMs: reader.durationMs(name, 0, DAY_MS),
    runMs: reader.durationMs(`${name}-time`, 0, FUNCTION_TIMEOUT_MS),
  });
  const load: PoolLoad = {
    nodes: reader.count("nodes", 1, NODES_MAX),
    memoryMb: reader.count("memory", 128, 10_240),
    warmUp: round("warm-up"),
    backup: round("backup"),
    getsPerHour: reader.number("gets", 0, 1e9),
    chunksPerGet: reader.count("chunks", 1, 1_000_000),
    chunkMs: reader.durationMs("chunk-time", 0, FUNCTION_TIMEOUT_MS),
  };
  const against = reader.number("against", 0, 1e6);
  reader.finish();
  const tables: readonly PriceTable[] = Object.values(PRICES);
  const priced = tables.map((prices) => {
    const perHour = hourlyCost(prices, load);
    const crossover = crossoverGetsPerHour(perHour, against);
    return { prices: prices.name, asOf: prices.asOf, ...perHour, crossover };
  });
  if (terminal.isJson) {
    terminal.out(JSON.stringify({ ...load, against, costs: priced }));
    return "ok";
  }
  const row = (name: string, show: (each: (typeof priced)[number]) => string) => [
    name,
    ...priced.map(show),
  ];
  terminal.out(
    formatTable(
      ["dollars an hour", ...priced.map(({ prices }) => prices)],
      [
        row("warm-up", ({ warmUp }) => formatDollars(warmUp)),
        row("backup", ({ backup }) => formatDollars(backup)),
        row(`serving ${load.getsPerHour} GETs`, ({ serving }) => formatDollars(serving)),
        row("together", ({ total }) => formatDollars(total)),
        row("one GET", ({ perGet }) => formatDollars(perGet)),
        row(`GETs an hour at ${formatDollars(against)}`, ({ crossover }) =>
          String(Math.round(crossover)),
        ),
      ],
      priced.map((_, column) => column + 1),
    ),
  );
  return "ok";
}

function readModel(reader: OptionReader, nodes: number): ReclaimModel {
  const observed = reader.text("per-minute");
  const named = reader.text("reclaims");
  const fallback: ReclaimModel = { kind: "heavy-tailed" };
  if (observed !== "") {
    if (named !== "")
      return reader.fail("per-minute", "cannot be joined with --reclaims", fallback);
    const weights = parseWeights(observed, nodes);
    if (weights !== null) return { kind: "counts", weights };
    const form = `must be counts from 0 to ${nodes}, such as 3,5,10, each with how often: 0:1400,3:40`;
    return reader.fail("per-minute", form, fallback);
  }
  const [name = "", figure, ...rest] = named.split(":");
  const value = (byDefault: number) => (figure === undefined ? byDefault : Number(figure || "?"));
  if (rest.length === 0) {
    if ((name === "" || name === "heavy-tailed") && figure === undefined) return fallback;
    const [perHour, everyHours] = [value(36), value(6)];
    if (name === "poisson" && perHour >= 0 && perHour <= 1e6) return { kind: "poisson", perHour };
    if (name === "mass" && everyHours > 0 && everyHours <= 1e6) return { kind: "mass", everyHours };
  }
  const form = "must be heavy-tailed, poisson, poisson:PER-HOUR, mass or mass:HOURS";
  return reader.fail("reclaims", form, fallback);
}

/** `3,5,10` or `0:1400,3:40`: counts with how often each was seen, once if not said; null when it is nothing of the kind. */
function parseWeights(text: string, nodes: number): ReadonlyMap<number, number> | null {
  const weights = new Map<number, number>();
  for (const part of text.split(",")) {
    const match = /^\s*(\d+)(?::(\d+(?:\.\d+)?))?\s*$/.exec(part);
    const count = Number(match?.[1] ?? Number.NaN);
    if (match === null || count > nodes) return null;
    weights.set(count, (weights.get(count) ?? 0) + Number(match[2] ?? 1));
  }
  return [...weights.values()].some((weight) => weight > 0) ? weights : null;
}

function describeModel(model: ReclaimModel): string {
  switch (model.kind) {
    case "heavy-tailed":
      return "heavy-tailed, September 2019";
    case "poisson":
      return `Poisson, ${model.perHour} an hour of 400`;
    case "mass":
      return `60 to 100 % at once every ${model.everyHours} h`;
    case "counts":
      return "as observed per minute";
  }
}

function rowLines(rows: readonly ReclaimRow[], code: CodeSpec): string[] {
  const parity = code.parityChunks;
  const harmless = rows.filter(({ reclaimed }) => reclaimed <= parity);
  const harmful = rows.filter(({ reclaimed }) => reclaimed > parity);
  const shown = harmful
    .toSorted((left, right) => right.share - left.share)
    .slice(0, ROWS_SHOWN_MAX)
    .toSorted((left, right) => left.reclaimed - right.reclaimed);
  const sum = harmless.reduce((total, { probability }) => total + probability, 0);
  const table = formatTable(
    ["r", "p_d(r)", `P_${parity + 1}`, "P(r)", "share"],
    [
      [parity === 0 ? "0" : `0-${parity}`, formatProbability(sum), "0", "0", "0"],
      ...shown.map(({ reclaimed, probability, chunksLost, stripeLoss, share }) => [
        String(reclaimed),
        ...[probability, chunksLost[parity + 1] ?? 0, stripeLoss, share].map(formatProbability),
      ]),
    ],
    [0, 1, 2, 3, 4],
  );
  const leftOut = harmful.length - shown.length;
  return leftOut === 0 ? [table] : [table, `and ${leftOut} more that matter less`];
}

function formatProbability(value: number): string {
  if (value === 0) return "0";
  return value >= 0.1 ? value.toFixed(2) : value.toExponential(1);
}

/** As many digits as show two of what is missing. */
function formatAvailability(value: number, loss: number): string {
  const digits = loss === 0 ? 0 : Math.max(2, 1 - Math.floor(Math.log10(loss * 100)));
  return `${(value * 100).toFixed(Math.min(digits, 12))} %`;
}
