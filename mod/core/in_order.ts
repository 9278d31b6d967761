/**
 * Texts that come in any order, given on in that of their places.
 *
 * @module
 */

export class InOrder {
  readonly #limit: number;
  readonly #waiting = new Map<number, string>();
  /** Places that were given out of turn. */
  readonly #given = new Set<number>();
  #length = 0;
  #next = 0;

  /** @param limit letters that may wait; then they are given as they are */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** @param place from 0, each once. @returns what is due now */
  put(place: number, text: string): readonly string[] {
    this.#waiting.set(place, text);
    this.#length += text.length;
    const due: string[] = [];
    for (;; this.#next++) {
      if (this.#waiting.has(this.#next)) due.push(this.#take(this.#next));
      else if (!this.#given.delete(this.#next)) break;
    }
    if (this.#length <= this.#limit) return due;
    for (const late of [...this.#waiting.keys()].sort((a, b) => a - b)) {
      due.push(this.#take(late));
      this.#given.add(late);
    }
    return due;
  }

  /** What still waits for places that never came. */
  rest(): readonly string[] {
    const places = [...this.#waiting.keys()].sort((a, b) => a - b);
    return places.map((place) => this.#take(place));
  }

  #take(place: number): string {
    const text = this.#waiting.get(place) ?? "";
    this.#waiting.delete(place);
    this.#length -= text.length;
    return text;
  }
}
