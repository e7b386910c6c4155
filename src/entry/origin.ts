// The origins that come with the package, `infinicache/origin`: what an application puts behind its cache
// (docs/origin.md). Importing it starts nothing, and loads no SDK.

export { directoryOrigin } from "../host/directory-origin.ts";
export { openJournal } from "../host/journal-files.ts";
export type { Journal } from "../origin/journal.ts";
export type { OriginObject, OriginPut, OriginReader, OriginStore } from "../origin/store.ts";
export { type S3OriginOptions, s3Origin } from "../platform/s3-origin.ts";
