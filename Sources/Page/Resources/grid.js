// The grid of pictures. Only the tiles near the window exist; the rest of its height is empty.

const captionHeight = 50;
// Rows above and below the window that have tiles, too.
const spareRows = 2;

const pictureAt = (element) => element?.closest?.(".tile")?.picture;

class Grid {
  #element = find("#grid");
  // The tiles that exist, by the id of their picture, or by their index while the picture is not loaded.
  #tiles = new Map();
  #columns = 1;
  #tileWidth = 0;
  #rowHeight = 1;
  // The picture that the Tab key reaches. Arrow keys move it.
  #current = null;
  #isScheduled = false;
  #lastScroll = 0;
  #fresh = new Set();

  // `open` is called with the picture that the user wants to see; `looked` with the first and the last index in view.
  constructor(list, calls) {
    Object.assign(this, calls, { list });
    new ResizeObserver(() => this.#measure()).observe(this.#element);
    addEventListener("scroll", () => { this.#lastScroll = performance.now(); this.schedule(); }, { passive: true });
    on(this.#element, "focusin", (event) => {
      const picture = pictureAt(event.target);
      if (picture) this.#setCurrent(picture.id);
    });
    on(this.#element, "keydown", (event) => this.#key(event));
    setInterval(() => { for (const tile of this.#tiles.values()) this.#tell(tile); }, 20_000);
  }

  get isAtTop() { return scrollY < 24; }
  get hasFocus() { return find(":focus-visible", this.#element) !== null; }

  schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => { this.#isScheduled = false; this.#render(); });
  }

  welcome(pictures) { for (const picture of pictures) this.#fresh.add(picture.id); }

  focus(id) {
    const index = this.list.indexOf(id);
    if (index < 0) return;
    this.#reveal(index);
    this.#render();
    this.#tiles.get(id)?.firstElementChild.focus({ preventScroll: true });
  }

  #measure() {
    const width = this.#element.clientWidth;
    if (width === 0) return;
    const [least, space] = width < 560 ? [104, 10] : [176, 14];
    this.#columns = Math.max(2, Math.floor((width + space) / (least + space)));
    this.#tileWidth = (width - space * (this.#columns - 1)) / this.#columns;
    this.space = space;
    this.#rowHeight = Math.round(this.#tileWidth + captionHeight + space);
    this.schedule();
  }

  #render() {
    if (this.#tileWidth === 0) return this.#measure();
    const { list } = this;
    const rows = Math.ceil(list.length / this.#columns);
    this.#element.style.height = `${rows * this.#rowHeight}px`;
    const top = this.#element.getBoundingClientRect().top;
    const firstRow = Math.max(0, Math.floor(-top / this.#rowHeight) - spareRows);
    const lastRow = Math.min(rows, Math.ceil((innerHeight - top) / this.#rowHeight) + spareRows);
    const [first, last] = [firstRow * this.#columns, Math.min(list.length, lastRow * this.#columns)];
    const wanted = new Map();
    for (let index = first; index < last; index += 1) wanted.set(list.at(index)?.id ?? `index ${index}`, index);
    // The tile with the focus stays, wherever it is.
    const focused = pictureAt(document.activeElement)?.id;
    if (focused !== undefined && !wanted.has(focused)) {
      const index = list.indexOf(focused);
      if (index >= 0) wanted.set(focused, index);
    }
    for (const [key, tile] of this.#tiles) {
      // Pictures whose state has changed get a new tile.
      if (wanted.has(key) && tile.picture?.current === tile.wasCurrent) continue;
      // Ends a download that nobody waits for.
      find("img", tile)?.removeAttribute("src");
      tile.remove();
      this.#tiles.delete(key);
    }
    for (const [key, index] of wanted) {
      if (!this.#tiles.has(key)) this.#tiles.set(key, this.#makeTile(list.at(index)));
      this.#place(this.#tiles.get(key), index);
    }
    // Screen readers follow the order of the document.
    arrange(this.#element, [...wanted].sort((one, other) => one[1] - other[1]).map(([key]) => this.#tiles.get(key)));
    this.#fresh.clear();
    if (!wanted.has(this.#current)) this.#setCurrent(list.at(first)?.id ?? null);
    this.looked(first, last);
  }

  #place(tile, index) {
    const x = (index % this.#columns) * (this.#tileWidth + this.space);
    const y = Math.floor(index / this.#columns) * this.#rowHeight;
    tile.style.transform = `translate(${x}px, ${y}px)`;
    tile.style.width = `${this.#tileWidth}px`;
    setAttributes(tile, { "aria-posinset": index + 1, "aria-setsize": this.list.isComplete ? this.list.length : -1 });
  }

  #makeTile(picture) {
    const [frame, name, meta] = ["frame", "name", "meta"].map((part) => make(`span.${part}`));
    const button = makeButton("button", "", () => { if (picture) this.open(picture); });
    button.tabIndex = -1;
    const tile = make("li.tile", fill(button, frame, name, meta));
    tile.picture = picture;
    if (!picture) {
      tile.classList.add("waiting");
      return tile;
    }
    tile.wasCurrent = picture.current;
    tile.classList.toggle("new", this.#fresh.has(picture.id));
    tile.classList.toggle("replaced", !picture.current);
    if (picture.id === this.#current) button.tabIndex = 0;
    fill(name, stranger(leafOf(picture.name))).title = printable(picture.name);
    fill(meta, hasLabel(picture) && stranger(picture.label, "bdi.tag"), moment(picture.stored, ""));
    this.#tell(tile);
    const image = showPicture(picture, frame, true);
    // Images that only pass by are not loaded.
    const isRushing = performance.now() - this.#lastScroll < 100;
    setTimeout(() => { if (image?.isConnected) image.src = addressOf(picture); }, isRushing ? 90 : 0);
    return tile;
  }

  #tell(tile) {
    const { picture } = tile;
    if (!picture) return;
    setText(find("time", tile), ago(picture.stored));
    tile.firstElementChild.ariaLabel = description(picture);
  }

  #setCurrent(id) {
    for (const key of [this.#current, id]) {
      const button = this.#tiles.get(key)?.firstElementChild;
      if (button) button.tabIndex = key === id ? 0 : -1;
    }
    this.#current = id;
  }

  #key(event) {
    const index = this.list.indexOf(pictureAt(event.target)?.id);
    if (index < 0 || hasModifier(event)) return;
    const page = this.#columns * Math.max(1, Math.floor(innerHeight / this.#rowHeight) - 1);
    const moves = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.#columns, ArrowUp: -this.#columns, Home: -index,
      PageDown: page, PageUp: -page,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const target = Math.min(this.list.length - 1, Math.max(0, index + moves[event.key]));
    const picture = this.list.at(target);
    if (picture) this.focus(picture.id); else { this.#reveal(target); this.#render(); }
  }

  #reveal(index) {
    const header = find("header").getBoundingClientRect().bottom + 8;
    const top = this.#element.getBoundingClientRect().top + Math.floor(index / this.#columns) * this.#rowHeight;
    const bottom = top + this.#rowHeight - this.space;
    if (top < header) scrollBy(0, top - header);
    else if (bottom > innerHeight) scrollBy(0, bottom - innerHeight + 12);
  }
}
