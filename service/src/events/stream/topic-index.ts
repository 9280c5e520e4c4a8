/** Finds who follows a topic. */

/** Which of a batch's events somebody wants: their places in the batch, in order. */
export type Selection = readonly number[];

/**
 * Values by the patterns that they follow. A topic is covered by few patterns (its name, and its prefixes at the end of
 * each word), so that what a fan-out costs depends on who gets something, and not on how many filters there are.
 */
export class TopicIndex<Value> {
  readonly #values = new Map<string, Set<Value>>();

  add(patterns: readonly string[], value: Value): void {
    for (const pattern of patterns) {
      const values = this.#values.get(pattern);
      if (values) values.add(value);
      else this.#values.set(pattern, new Set([value]));
    }
  }

  remove(patterns: readonly string[], value: Value): void {
    for (const pattern of patterns) {
      const values = this.#values.get(pattern);
      values?.delete(value);
      if (values?.size === 0) this.#values.delete(pattern);
    }
  }

  /**
   * Who follows some of these topics. Whoever wants the same has the same selection, so that what is made from it can be
   * made once.
   */
  select(topics: readonly string[]): Map<Value, Selection> {
    const found = new Map<Value, Selection>();
    const unions = new Unions();
    for (const [pattern, selection] of this.#selections(topics)) {
      for (const value of this.#values.get(pattern) ?? []) {
        const other = found.get(value);
        found.set(value, other ? unions.of(other, selection) : selection);
      }
    }
    return found;
  }

  /** Which of the topics each pattern covers, of those patterns that somebody follows. */
  #selections(topics: readonly string[]): Map<string, Selection> {
    const byTopic = new Map<string, number[]>();
    topics.forEach((topic, place) => {
      const places = byTopic.get(topic);
      if (places) places.push(place);
      else byTopic.set(topic, [place]);
    });
    const selections = new Map<string, Selection>();
    const unions = new Unions();
    for (const [topic, places] of byTopic) {
      for (const pattern of patternsOf(topic)) {
        if (!this.#values.has(pattern)) continue;
        const other = selections.get(pattern);
        selections.set(pattern, other ? unions.of(other, places) : places);
      }
    }
    return selections;
  }
}

/** Every pattern that covers the topic. */
function patternsOf(topic: string): string[] {
  const patterns = [topic];
  for (let dot = topic.indexOf("."); dot >= 0; dot = topic.indexOf(".", dot + 1))
    patterns.push(`${topic.slice(0, dot)}.*`);
  return patterns;
}

/** Makes each union once. */
class Unions {
  readonly #known = new Map<Selection, Map<Selection, Selection>>();

  of(one: Selection, other: Selection): Selection {
    let known = this.#known.get(one);
    if (!known) this.#known.set(one, (known = new Map<Selection, Selection>()));
    let union = known.get(other);
    if (!union) known.set(other, (union = merged(one, other)));
    return union;
  }
}

/** One of the two where that has all of the other: whoever wants it too shares it. */
function merged(one: Selection, other: Selection): Selection {
  const all = new Set([...one, ...other]);
  if (all.size === one.length) return one;
  return all.size === other.length ? other : [...all].sort((left, right) => left - right);
}
