// Shared by all parts: elements, words, numbers, times, requests.
// Names and labels come from strangers. They enter the document as text or attributes only, never as markup.

const find = (selector, root = document) => root.querySelector(selector);

const on = (target, type, action) => target.addEventListener(type, action);

// Adds elements and texts, except for empty ones.
function fill(element, ...children) {
  element.append(...children.filter(Boolean));
  return element;
}

// An element with classes, such as "span.tag.old".
function make(kind, ...children) {
  const [tag, ...classes] = kind.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  return fill(element, ...children);
}

function makeButton(kind, text, action) {
  const button = make(kind, text);
  on(button, "click", action);
  return button;
}

function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Brings children into this order, and moves only those that are elsewhere.
function arrange(parent, children) {
  let next = parent.firstElementChild;
  for (const child of children) {
    if (child === next) next = next.nextElementSibling; else parent.insertBefore(child, next);
  }
}

// Screen readers announce a text each time it is set.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// A verdict is good, bad or neither.
function say(verdict, kind, text) {
  verdict.dataset.kind = kind;
  setText(verdict, text);
}

const hasModifier = (event) => event.altKey || event.ctrlKey || event.metaKey;

// Characters that are invisible, or that change the direction of the text around them.
const hiddenCharacters = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3164\uffa0]/gu;

// A stranger's text with those characters made visible.
function printable(text) {
  return text.replace(hiddenCharacters, (character) =>
    `⟨U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

// An element for a stranger's text, whose direction does not leak out of it.
function stranger(text, kind = "bdi") {
  return make(kind, printable(text));
}

// The value of a line of JSON; null if it is not JSON.
function parsed(line) {
  try { return JSON.parse(line); } catch { return null; }
}

const listed = (...parts) => parts.filter(Boolean).join(", ");
const leafOf = (name) => name.slice(name.lastIndexOf("/") + 1);

// --- Numbers and times

const whole = new Intl.NumberFormat();
const count = (number, one, many = one + "s") => `${whole.format(number)} ${number === 1 ? one : many}`;

function bytes(number) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (number >= 999.5 && unit < units.length - 1) { number /= 1000; unit += 1; }
  return `${unit === 0 || number >= 99.5 ? Math.round(number) : number.toPrecision(2)} ${units[unit]}`;
}

function span(milliseconds) {
  if (milliseconds < 1) return "less than 1 ms";
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

// The time of a message is any number that a stranger likes. Dates end at this one.
const isDate = (time) => Math.abs(time) <= 8.64e15;

function dateFormat(style) {
  const { format } = new Intl.DateTimeFormat(undefined, style);
  return (time) => (isDate(time) ? format(time) : "impossible time");
}

const dateAndTime = dateFormat({ dateStyle: "medium", timeStyle: "medium" });
const dateOnly = dateFormat({ dateStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });

function ago(time, now = Date.now()) {
  const seconds = Math.round((now - time) / 1000);
  if (seconds < 5) return seconds > -3600 ? "just now" : dateOnly(time);
  const units = [["second", 1, 60], ["minute", 60, 3600], ["hour", 3600, 86400], ["day", 86400, 7 * 86400]];
  const unit = units.find(([, , limit]) => seconds < limit);
  return unit ? relative.format(-Math.round(seconds / unit[1]), unit[0]) : dateOnly(time);
}

function moment(time, text = dateAndTime(time)) {
  const element = make("time", text);
  if (isDate(time)) element.dateTime = new Date(time).toISOString();
  return element;
}

// --- Pictures

// What browsers decode. The server sends nothing else as a picture.
const shownFormats = new Set(["jpeg", "png", "gif", "webp", "avif", "bmp"]);

const formatName = (picture) => (picture.format ? picture.format.toUpperCase() : "Unknown format");
const formatAndSize = (picture) =>
  listed(formatName(picture), picture.width && picture.height && `${picture.width} × ${picture.height}`);
const delay = ({ sent, stored }) => sent && stored >= sent && `${span(stored - sent)} after it was sent`;
// At the top of the output an image has its own name as a label.
const hasLabel = (picture) => picture.name.includes("/");
const addressOf = (picture) => `/pictures/${picture.id}`;

// Why a picture is not shown; empty if it can be.
function obstacle(picture, isTile) {
  if (!picture.current) return "Replaced by a newer version";
  if (!shownFormats.has(picture.format)) return "Browsers cannot show this format";
  // Decoding a very large picture for a small tile would stop the browser for nothing.
  const isLarge = picture.bytes > 30e6 || (picture.width ?? 0) * (picture.height ?? 0) > 80e6;
  return isTile && isLarge ? "Large: open it to see it" : "";
}

function placeholder(picture, reason) {
  return make("span.placeholder",
    make("b", formatName(picture)), make("span", bytes(picture.bytes)), make("small", reason));
}

// Fills a frame with a picture, and returns its image, which has no source yet; or with the reason why it is not shown.
function showPicture(picture, frame, isTile) {
  const reason = obstacle(picture, isTile);
  if (reason) return frame.replaceChildren(placeholder(picture, reason));
  const image = make("img");
  image.alt = isTile ? "" : printable(picture.name);
  image.decoding = "async";
  image.onload = () => image.classList.add("loaded");
  image.onerror = () => {
    if (image.isConnected) frame.replaceChildren(placeholder(picture, "The file cannot be shown"));
  };
  frame.replaceChildren(image);
  return image;
}

function description(picture) {
  return listed(
    printable(picture.name), formatAndSize(picture), bytes(picture.bytes), `stored ${ago(picture.stored)}`,
    !picture.current && "replaced by a newer version");
}

// --- The server

const queryOf = (parameters) =>
  new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== "" && value != null));

async function ask(path, parameters = {}, method = "GET", headers = {}) {
  const query = queryOf(parameters);
  const response = await fetch(`/api/${path}${query.size ? "?" : ""}${query}`, {
    method, cache: "no-store",
    // Pages of others cannot set it.
    headers: { "X-Image-Pipeline": "1", ...headers },
  });
  const isJSON = response.headers.get("Content-Type") === "application/json";
  const answer = isJSON ? await response.json() : {};
  if (!response.ok) {
    const text = answer.problem?.text ?? `the page's server answers with ${response.status}`;
    throw Object.assign(new Error(text), { status: response.status });
  }
  return answer;
}
