// A connection as the sessions see it: bytes one way and the other, with back-pressure in both. Interface only; the
// servers of this room implement it over TCP.

/** One connection. After its end reads give null, writes give false, and sends go nowhere: no errors are thrown. */
export interface ByteSocket {
  /** What came next, or null at the end. One call at a time. While nobody reads, the sender is soon made to wait. */
  read(): Promise<Uint8Array | null>;
  /** Ends reading: the read under way and later ones give null. */
  stopReading(): void;
  /** Queues bytes, which are handed over. */
  send(bytes: Uint8Array): void;
  /** Writes bytes, borrowed until this resolves; false when the connection is gone. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Resolves when nothing is queued; false when the connection is gone. */
  flushed(): Promise<boolean>;
  /** Bytes queued and not yet taken by the system. */
  readonly unsentBytes: number;
  readonly isClosed: boolean;
  /** Sends what is queued, then closes. */
  end(): void;
  /** Closes at once: the other side must not take what it has for whole. */
  destroy(): void;
}
