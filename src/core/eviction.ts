// Which object goes when room is needed: policies behind one interface. They order identities and know
// neither sizes nor places.

/** Orders members by how much they are worth keeping. */
export interface EvictionPolicy<Member> {
  /** A new member. */
  insert(member: Member): void;
  /** It was used. */
  touch(member: Member): void;
  /** It is gone, for whatever reason. */
  remove(member: Member): void;
  /** The member to evict next, for which `mayGo` holds; it stays a member. Null: none may go. */
  victim(mayGo: (member: Member) => boolean): Member | null;
}

/**
 * CLOCK, the paper's policy: a hand goes round; a member used since it last passed gets a second chance.
 * A map in insertion order is the clock's face: the hand is at its front, and passing moves a member to its back.
 */
export class ClockEviction<Member> implements EvictionPolicy<Member> {
  readonly #face = new Map<Member, { isUsed: boolean }>();

  insert(member: Member): void {
    this.#face.set(member, { isUsed: false });
  }

  touch(member: Member): void {
    const mark = this.#face.get(member);
    if (mark !== undefined) mark.isUsed = true;
  }

  remove(member: Member): void {
    this.#face.delete(member);
  }

  victim(mayGo: (member: Member) => boolean): Member | null {
    // Two rounds suffice: the first takes away every second chance.
    for (let passed = 2 * this.#face.size; passed > 0; passed--) {
      const next = this.#face.entries().next();
      if (next.done === true) return null;
      const [member, mark] = next.value;
      if (!mark.isUsed && mayGo(member)) return member;
      mark.isUsed = false;
      this.#face.delete(member);
      this.#face.set(member, mark);
    }
    return null;
  }
}
