// The numbers of the pipeline: whether it is well, the numbers now, and charts of the last minutes, which the server keeps.

const pointsKept = 450;

function draw(tag, attributes = {}) {
  return setAttributes(document.createElementNS(find("svg").namespaceURI, tag), attributes);
}

const rounded = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

const rate = (value) => `${rounded.format(value)}/s`;
const megabytes = (value) => `${rounded.format(value)} MB/s`;
const amount = whole.format;
const duration = (value, floor) => (value <= floor ? `under ${span(floor * 1000)}` : span(value * 1000));

// Of two lines, the first is dashed and the second has an area below it.
const chartsShown = [
  { title: "Images per second", unit: rate, lines: [["in", "sent"], ["out", "stored"]] },
  { title: "Megabytes per second", unit: megabytes, lines: [["inMB", "sent"], ["outMB", "stored"]] },
  { title: "Waiting", unit: amount, lines: [["unsent", "not sent"], ["lag", "not stored"]] },
  { title: "From file to stored", unit: duration, lines: [["file99", "99% within"], ["file50", "half within"]] },
  { title: "No receipt yet", unit: amount, lines: [["receipts", "images"]] },
  { title: "Dead letters", unit: amount, lines: [["dead", "new"]], isBars: true },
];
// Without receipts, the way of a file begins when it is sent.
const sentTimes = { title: "From sent to stored", unit: duration, lines: [["sent99", "99% within"], ["sent50", "half within"]] };

class Numbers {
  #element = find("#numbers");
  #latest = null; // what came last: state, counts, time
  // Each column's values, oldest first; the time of the newest; and the time whose values are shown, null: now.
  #data = { series: {}, length: 0, interval: 2000, time: 0, cursor: null };
  #isStale = false;
  #charts = chartsShown.map((chart) => new Chart(chart, find("#charts"), (time) => this.#point(time)));
  #shownTroubles = "";

  constructor() {
    on(find(".unfold"), "click", () => {
      this.#unfold(!this.isUnfolded);
      try { localStorage.numbers = this.isUnfolded ? "unfolded" : ""; } catch { /* not allowed */ }
    });
    try { this.#unfold(localStorage.numbers === "unfolded"); } catch { /* not allowed */ }
    // Below it, pictures in view do not move.
    let height = 0;
    new ResizeObserver(() => {
      const { bottom, height: now } = this.#element.getBoundingClientRect();
      if (height > 0 && bottom < 0 && scrollY > 0) scrollBy(0, now - height);
      height = now;
      this.resized();
    }).observe(this.#element);
  }

  resized() {}

  get isUnfolded() { return !find("#charts").hidden; }

  #unfold(isUnfolded) {
    find("#charts").hidden = !isUnfolded;
    find(".unfold").ariaExpanded = String(isUnfolded);
    this.#drawCharts();
  }

  // --- What arrives

  listen(source) {
    on(source, "open", () => this.#read());
    on(source, "numbers", (event) => {
      const latest = JSON.parse(event.data);
      this.#append(latest);
      this.#show(latest);
    });
    on(source, "error", () => this.#showState(true));
  }

  async #read() {
    let answer;
    try { answer = await ask("numbers"); } catch { return; }
    const newer = this.#latest?.time > answer.time ? this.#latest : null;
    const { series, interval, time } = answer;
    if (series) Object.assign(this.#data, { series, interval, time, length: series.in.length });
    if (newer) this.#append(newer);
    this.#show(newer ?? answer);
  }

  #append({ time, interval, point }) {
    const data = this.#data;
    const isFirst = data.length === 0;
    if (isFirst) data.series = Object.fromEntries(Object.keys(point).map((column) => [column, []]));
    const steps = isFirst ? 1 : Math.round((time - data.time) / interval);
    const missed = Math.min(Math.max(0, steps - 1), pointsKept);
    for (const [column, values] of Object.entries(data.series)) {
      if (steps < 1) values.pop();
      for (let step = 0; step < missed; step += 1) values.push(null);
      values.push(point[column] ?? null);
      values.splice(0, values.length - pointsKept);
      data.length = values.length;
    }
    [data.time, data.interval] = [time, interval];
  }

  // --- What is shown

  #show(latest) {
    this.#latest = latest;
    this.#element.hidden = false;
    const isOff = !latest.state;
    find(".unfold").hidden = find(".now").hidden = isOff;
    this.#showState(false);
    if (isOff) {
      find("#charts").hidden = true;
    } else {
      this.#showNow();
      this.#drawCharts();
    }
  }

  #last(column) { return this.#data.series[column]?.at(-1) ?? null; }

  // Whether the times begin with the file, or else when it is sent; and the least time that is known.
  #times() {
    const { fileFloor, sentFloor } = this.#latest;
    const hasFileTimes = this.#data.series.file50?.some((value) => value !== null);
    return hasFileTimes ? ["file", fileFloor] : ["sent", sentFloor];
  }

  #showState(isStale) {
    this.#isStale = isStale;
    this.#element.classList.toggle("stale", isStale);
    const { state } = this.#latest ?? {};
    const [word, rest] = this.#sentence(state);
    const line = find(".well");
    line.dataset.state = !state ? "off" : isStale ? "stale" : state.is;
    // Readable without colour.
    setText(find("i", line), { flowing: "✓", idle: "–", behind: "…", trouble: "!" }[line.dataset.state] ?? "");
    setText(find("strong", line), word);
    setText(find("span", line), rest);
    const troubles = state?.troubles ?? [];
    const key = JSON.stringify(troubles);
    if (key === this.#shownTroubles) return;
    this.#shownTroubles = key;
    find(".troubles").replaceChildren(...troubles.map(({ side, words }) => make(
      "p", stranger(side, "bdi.who"),
      ...words.split("\n").flatMap((text, index) => [index > 0 ? "; " : ": ", stranger(text)]))));
  }

  #sentence(state) {
    if (state === undefined) return ["", ""];
    if (!state) {
      return ["", "For rates, delays and what is wrong, set PAGE_SIDES to the addresses of producer and consumer, "
        + "such as producer:8080,consumer:8080."];
    }
    if (this.#isStale) return ["Not connected", `numbers of ${clock.format(this.#data.time)}`];
    const behind = this.#behind(state);
    switch (state.is) {
      case "flowing": {
        const [sent, stored] = [this.#last("in") ?? 0, this.#last("out") ?? 0];
        return ["Flowing", `${rounded.format(stored || sent)} images per second${stored ? "" : " sent, none stored"}`];
      }
      case "behind": return ["Behind", behind];
      case "trouble": {
        const time = this.#latest.time - state.since;
        return ["Something is wrong",
          [time >= 1000 && `for ${span(time)}`, behind && `behind ${behind}`].filter(Boolean).join("; ")];
      }
      case "idle": {
        const isAll = this.#last("lag") === 0 && this.#last("unsent") === 0;
        return ["Idle", listed(isAll && "everything is stored", state.lastFlow && `last image ${ago(state.lastFlow)}`)];
      }
      default: return ["Asking …", ""];
    }
  }

  #behind({ behindSince, left }) {
    if (!behindSince) return "";
    const [lag, unsent] = [this.#last("lag") ?? 0, this.#last("unsent") ?? 0];
    const parts = [lag && `${count(lag, "message")} not stored`, unsent && `${count(unsent, "image")} not sent`];
    return `by ${parts.filter(Boolean).join(" and ")}, for ${span(this.#latest.time - behindSince)}; `
      + (left === null ? "nothing is stored now" : `about ${span(left * 1000)} left at this rate`);
  }

  #showNow() {
    const value = (column, unit, floor) => {
      const number = this.#last(column);
      return number === null ? "–" : unit(number, floor);
    };
    const { series, length, interval } = this.#data;
    const [start, floor] = this.#times();
    const dead = series.dead.some((number) => number !== null)
      ? whole.format(series.dead.reduce((sum, number) => sum + number, 0)) : "–";
    const cells = [
      ["Sent", value("in", rate), value("inMB", megabytes)],
      ["Stored", value("out", rate), value("outMB", megabytes)],
      ["Not stored", value("lag", amount), this.#last("unsent") ? `${value("unsent", amount)} not sent` : "messages"],
      [start === "file" ? "File to stored" : "Sent to stored", value(`${start}50`, duration, floor),
        `99%: ${value(`${start}99`, duration, floor)}`],
      ["No receipt yet", value("receipts", amount), "images"],
      ["Dead letters", dead, `in ${span(length * interval)}`],
    ];
    const list = find(".now");
    if (!list.firstElementChild) {
      for (const [name] of cells) list.append(make("div", make("dt", name), make("dd"), make("dd.more")));
    }
    cells.forEach((texts, index) => texts.forEach((text, part) => setText(list.children[index].children[part], text)));
  }

  #point(time) {
    this.#data.cursor = time;
    this.#drawCharts();
  }

  #drawCharts() {
    if (!this.isUnfolded || !this.#latest?.state) return;
    const [start, floor] = this.#times();
    this.#charts[3].show(start === "file" ? chartsShown[3] : sentTimes);
    const data = { ...this.#data, floor };
    const { producers, consumers, totals } = this.#latest;
    for (const chart of this.#charts) chart.draw(data);
    const total = ([images, size]) => `${count(images, "image")} (${bytes(size)})`;
    find(".asked").textContent =
      `From ${count(producers, "producer")} and ${count(consumers, "consumer")}, every ${data.interval / 1000} s. Rates are means of `
      + `${data.interval / 200} s, times those of the last minute. Since these processes started: ${total(totals.sent)} sent, `
      + `${total(totals.stored)} stored.`;
  }
}
