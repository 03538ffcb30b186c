// The list of pictures, newest first. Memory stays bounded: only the parts near the window keep their pictures.

const partSize = 100;
const mostPartsKept = 12;
// After more arrivals than this, the list is read again.
const mostArrived = 300;
// A search goes on by itself for at most this number of requests without a result. Then the user decides.
const mostRequests = 40;

class PictureList {
  // Called when there is something new to show.
  changed() {}

  arrived = [];
  // Each part: where its search began, the index of its first picture, their number, and the pictures or null.
  parts = [];
  loaded = 0;
  // Where the next part begins; undefined: at the newest picture; null: there are no more.
  next = undefined;
  request = null;
  isPaused = false;
  failure = "";
  // The identity of the output, and its newest row when the list began.
  catalog = null;
  generation = 0;

  // Begins again at the newest picture. What there was stays until the first answer, so that nothing flickers.
  restart(filter) {
    this.next = undefined;
    this.request = null;
    this.generation += 1;
    this.resume(filter);
  }

  // Goes on after a pause or a failure.
  resume(filter) {
    this.isPaused = false;
    this.failure = "";
    this.more(filter);
  }

  forget() { [this.arrived, this.parts, this.loaded] = [[], [], 0]; }

  get isStale() { return this.next === undefined && this.length > 0; }

  #begin(catalog) {
    // Those that arrived since are not in the answer.
    const arrived = this.arrived.filter((picture) => picture.id > catalog.newest);
    this.forget();
    [this.catalog, this.arrived] = [catalog, arrived];
  }

  get length() { return this.arrived.length + this.loaded; }
  get isComplete() { return this.next === null; }
  get newest() { return this.at(0)?.id ?? 0; }

  // The part with the picture at an index that does not count those that arrived.
  #part(index) {
    return this.parts.findLast((part) => part.start <= index);
  }

  // undefined if it has to be read again.
  at(index) {
    if (index < this.arrived.length) return this.arrived[index];
    const rest = index - this.arrived.length;
    if (rest >= this.loaded) return undefined;
    const part = this.#part(rest);
    return part.pictures?.[rest - part.start];
  }

  indexOf(id) {
    let index = this.arrived.findIndex((picture) => picture.id === id);
    if (index >= 0) return index;
    for (const part of this.parts) {
      index = part.pictures?.findIndex((picture) => picture.id === id) ?? -1;
      if (index >= 0) return this.arrived.length + part.start + index;
    }
    return -1;
  }

  // Pictures that were stored just now, newest first.
  add(pictures) {
    const known = this.newest;
    this.arrived.unshift(...pictures.filter((picture) => picture.id > known));
    return this.arrived.length <= mostArrived;
  }

  // Older versions of images that have been stored again.
  replace(names, newest) {
    let isChanged = false;
    for (const picture of [...this.arrived, ...this.parts.flatMap((part) => part.pictures ?? [])]) {
      if (picture.current && picture.id < newest && names.has(picture.name)) {
        picture.current = false;
        isChanged = true;
      }
    }
    return isChanged;
  }

  async more(filter) {
    if (this.request || this.isComplete || this.isPaused || this.failure) return;
    const generation = this.generation;
    const request = this.request = {};
    let rounds = 0;
    try {
      for (let isFound = false; !isFound && this.next !== null; rounds += 1) {
        if (rounds === mostRequests) { this.isPaused = true; break; }
        const before = this.next;
        const answer = await ask("pictures", { ...filter, before, limit: partSize });
        if (generation !== this.generation) return;
        if (before === undefined) this.#begin(answer.catalog);
        this.next = answer.next;
        isFound = answer.pictures.length > 0;
        if (isFound) {
          const { pictures } = answer;
          this.parts.push({ before, start: this.loaded, count: pictures.length, pictures });
          this.loaded += pictures.length;
        }
        this.changed();
      }
    } catch (error) {
      if (generation !== this.generation) return;
      this.failure = error.message;
    } finally {
      if (this.request === request) this.request = null;
    }
    this.changed();
  }

  async #restore(part, filter) {
    const generation = this.generation;
    part.isLoading = true;
    const pictures = [];
    try {
      let before = part.before;
      while (pictures.length < part.count && before !== null) {
        const answer = await ask("pictures", { ...filter, before, limit: part.count - pictures.length });
        if (generation !== this.generation) return;
        pictures.push(...answer.pictures);
        before = answer.next;
      }
      part.pictures = pictures;
      this.changed();
    } catch {
      // The next look at it tries again.
    } finally { part.isLoading = false; }
  }

  // Keeps the pictures around a range of indexes, and drops those that are far away.
  look(first, last, filter) {
    const [low, high] = [first - this.arrived.length, last - this.arrived.length];
    const isNear = (part, parts) =>
      part.start + part.count > low - parts * partSize && part.start < high + parts * partSize;
    for (const part of this.parts) {
      if (!part.pictures && !part.isLoading && isNear(part, 1)) this.#restore(part, filter);
    }
    const kept = this.parts.filter((part) => part.pictures);
    if (kept.length <= mostPartsKept) return;
    for (const part of kept) {
      // The first part began at the newest picture of that time, and cannot be read again.
      if (part.before !== undefined && !isNear(part, mostPartsKept / 3)) part.pictures = null;
    }
  }
}
