// A small chart. Its lines differ in their stroke, too. It is a slider: pointer and arrow keys show its values.

const chartHeight = 100;
const chartSteps = {
  ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30,
  Home: -Infinity, End: Infinity, Escape: Infinity,
};
let chartsMade = 0;

class Chart {
  #definition = null;
  #data = null;
  #title = make("b");
  #when = make("span.when");
  #legend = make("div.legend");
  #plot = make("div.plot");
  #top = make("span.top");
  #summary = make("p");
  #svg = draw("svg", { viewBox: `0 0 ${pointsKept - 1} ${chartHeight}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  #paths = [];
  #marker = draw("path", { class: "marker" });
  #isKey = false;

  // `point` is called with the time whose values are to be shown, or null.
  constructor(definition, parent, point) {
    this.point = point;
    chartsMade += 1;
    this.#summary.id = `chart-${chartsMade}`;
    this.#summary.hidden = true;
    setAttributes(this.#plot, { tabindex: 0, role: "slider", "aria-valuemin": 0, "aria-describedby": this.#summary.id });
    const axis = make("div.axis", make("span", "15 min ago"), make("span", "now"));
    axis.ariaHidden = "true";
    const caption = make("figcaption", this.#title, this.#when, this.#legend);
    parent.lastElementChild.before(
      make("figure.chart", caption, fill(this.#plot, this.#svg, this.#top), axis, this.#summary));
    this.show(definition);
    on(this.#plot, "pointermove", (event) => this.#hover(event));
    on(this.#plot, "pointerdown", (event) => this.#hover(event));
    on(this.#plot, "pointerleave", (event) => { if (event.pointerType === "mouse") this.point(null); });
    on(this.#plot, "blur", () => this.point(null));
    on(this.#plot, "keydown", (event) => this.#key(event));
  }

  show(definition) {
    if (definition === this.#definition) return;
    this.#definition = definition;
    const style = (index) => (index < definition.lines.length - 1 ? "line dashed" : "line");
    this.#title.textContent = definition.title;
    this.#plot.ariaLabel = definition.title;
    this.#legend.replaceChildren(...definition.lines.map(([, name], index) => {
      const sample = draw("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" });
      sample.append(draw("path", { class: style(index), d: "M1 4H21" }));
      return make("span", sample, `${name} `, make("b"));
    }));
    this.#paths = definition.lines.map((_, index) => draw("path", { class: style(index) }));
    this.#svg.replaceChildren(
      draw("path", { class: "rule", d: `M0 ${chartHeight}H${pointsKept}M0 ${chartHeight / 2}H${pointsKept}M0 0H${pointsKept}` }),
      ...definition.isBars ? [] : [draw("path", { class: "area" })], ...this.#paths.toReversed(), this.#marker);
  }

  #index(time) {
    const { length, interval, time: newest } = this.#data;
    const index = length - 1 - Math.round((newest - time) / interval);
    return time === null || index < 0 || index >= length ? length - 1 : index;
  }

  #move(index) {
    const { length, interval, time } = this.#data;
    const kept = Math.min(length - 1, Math.max(0, index));
    this.point(kept === length - 1 ? null : time - (length - 1 - kept) * interval);
  }

  #hover(event) {
    if (!this.#data?.length) return;
    const { left, width } = this.#plot.getBoundingClientRect();
    this.#move(this.#data.length - 1 - Math.round((1 - (event.clientX - left) / width) * (pointsKept - 1)));
  }

  #key(event) {
    const step = chartSteps[event.key];
    if (!step || !this.#data?.length || hasModifier(event)) return;
    event.preventDefault();
    this.#isKey = true;
    this.#move(this.#index(this.#data.cursor) + (event.shiftKey ? Math.sign(step) : step));
    this.#isKey = false;
  }

  draw(data) {
    this.#data = data;
    const { lines, unit, isBars } = this.#definition;
    const all = lines.map(([column]) => data.series[column] ?? []);
    const greatest = Math.max(0, ...all.flat().filter((value) => value !== null));
    const limit = niceLimit(greatest, unit === duration ? 0.001 : 1);
    this.#top.textContent = unit(limit, 0);
    const first = pointsKept - data.length;
    const y = (value) => (chartHeight * (1 - value / limit)).toFixed(1);
    const path = (values, shape) => knownRuns(values, first, y).map(shape).join("");
    all.forEach((values, index) => this.#paths[index].setAttribute("d", path(values, isBars ? barsPath : linePath)));
    find(".area", this.#svg)?.setAttribute("d", path(all.at(-1), areaPath));
    this.#tell(all, first, y);
  }

  #tell(all, first, y) {
    const { lines, unit } = this.#definition;
    const { cursor, floor, interval, length, time } = this.#data;
    const index = this.#index(cursor);
    const told = (value) => (value == null ? "unknown" : unit(value, floor));
    const when = cursor === null ? "now" : clock.format(time - (length - 1 - index) * interval);
    this.#when.textContent = when;
    lines.forEach((_, line) => { find("b", this.#legend.children[line]).textContent = told(all[line][index]); });
    this.#marker.setAttribute("d", cursor === null ? "" : `M${first + index} 0V${chartHeight}`
      + all.map((values) => (values[index] == null ? "" : `M${first + index} ${y(values[index])}h0`)).join(""));
    // A screen reader announces each change of the slider that has the focus.
    if (this.#isKey || document.activeElement !== this.#plot) setAttributes(this.#plot, {
      "aria-valuemax": Math.max(0, length - 1), "aria-valuenow": Math.max(0, index),
      "aria-valuetext": listed(when, ...lines.map(([, name], line) => `${name} ${told(all[line][index])}`)),
    });
    this.#summary.textContent = lines.map(([, name], line) => {
      const known = all[line].filter((value) => value !== null);
      if (known.length === 0) return `${name}: unknown.`;
      return `${name}: between ${told(Math.min(...known))} and ${told(Math.max(...known))} in the last ${span(length * interval)}.`;
    }).join(" ");
  }
}

// 1, 2 or 5 times a power of ten.
function niceLimit(greatest, least) {
  if (greatest <= least) return least;
  const power = 10 ** Math.floor(Math.log10(greatest));
  return [1, 2, 5, 10].map((factor) => factor * power).find((limit) => limit >= greatest * 0.999);
}

// Runs of known values, as points. Unknown values are gaps.
function knownRuns(values, first, y) {
  const runs = [];
  values.forEach((value, index) => {
    if (value === null) return;
    if (index === 0 || values[index - 1] === null) runs.push([]);
    runs.at(-1).push({ x: first + index, y: y(value), value });
  });
  return runs;
}

// A single value is a dot.
function linePath(run) {
  return "M" + run.map(({ x, y }) => `${x} ${y}`).join("L") + (run.length === 1 ? "h0" : "");
}

function areaPath(run) { return `${linePath(run)}V${chartHeight}H${run[0].x}Z`; }

function barsPath(run) {
  const bars = run.filter(({ value }) => value > 0).map(({ x, y }) => `M${x} ${chartHeight}V${y}`);
  return `M${run[0].x} ${chartHeight}H${run.at(-1).x}${bars.join("")}`;
}
