// The page: what is wanted, what is shown, and what arrives.

const list = new PictureList();
const filter = { label: "", q: "" };
let newest = 0; // the newest row that the page knows
let pending = 0; // pictures that arrived and are not shown, so that nothing moves
let pendingIsMore = false;
let catalog = null; // the identity of the output; empty: there is none yet
let wasEmpty = false;
let shown = 0; // the picture that was shown last

const grid = new Grid(list, {
  open: (picture) => story.open(picture),
  looked: (first, last) => {
    list.look(first, last, filter);
    if (list.length - last < partSize / 2) list.more(filter);
  },
});

const story = new Story({
  neighbour: (id, step) => {
    const index = list.indexOf(id);
    if (index >= 0 && list.length - index < partSize / 2) list.more(filter);
    return index < 0 ? undefined : list.at(index + step);
  },
  moved: (id) => {
    rememberInAddress();
    if (id) shown = id; else grid.focus(shown);
  },
});

new Checks();
new Failures();
const numbers = new Numbers();
numbers.resized = () => grid.schedule();

// --- What is shown

const isFiltered = () => filter.label !== "" || filter.q !== "";

function reload() {
  setPending(0, false);
  list.restart(filter);
  show();
}

list.changed = () => {
  if (list.catalog) {
    catalog ??= list.catalog.id;
    newest = Math.max(newest, list.catalog.newest);
  }
  show();
  connect();
};

function show() {
  const isEmpty = list.length === 0 && list.isComplete;
  find("#empty").hidden = !isEmpty || isFiltered();
  find("#nothing").hidden = !isEmpty || !isFiltered();
  if (!find("#empty").hidden) wasEmpty = true;
  else if (wasEmpty && list.length > 0 && !list.isStale && !isFiltered()) celebrate(list.at(list.length - 1));
  find("#grid").ariaBusy = String(list.isStale);
  setText(find("#foot span"), footText());
  find("#foot button").hidden = !list.isPaused && !list.failure;
  find("#foot button").textContent = list.failure ? "Try again" : "Search older pictures";
  story.showNeighbours();
  grid.schedule();
}

function footText() {
  if (list.failure) return `The pictures cannot be read: ${list.failure}`;
  if (list.isPaused) return "Nothing among the newer pictures.";
  if (list.request) return list.length === 0 || isFiltered() ? "Searching …" : "Loading …";
  if (!list.isComplete || list.length === 0) return "";
  return isFiltered() ? count(list.length, "match", "matches") : `That is all: ${count(list.length, "picture")}.`;
}

on(find("#foot button"), "click", () => {
  list.resume(filter);
  show();
});

function setPending(number, isMore) {
  [pending, pendingIsMore] = [number, isMore];
  find("#fresh").hidden = pending === 0;
  find("#fresh").textContent = `${whole.format(pending)}${isMore ? "+" : ""} new`;
}

on(find("#fresh"), "click", () => {
  scrollTo(0, 0);
  reload();
});

// --- What arrives

const matches = (picture) =>
  (filter.label === "" || picture.label === filter.label)
  && picture.name.toLowerCase().includes(filter.q.toLowerCase());

function arrived({ newest: latest, skipped, pictures }) {
  newest = Math.max(newest, latest);
  if (list.replace(new Set(pictures.map((picture) => picture.name)), pictures.at(-1)?.id ?? 0)) grid.schedule();
  const wanted = pictures.filter(matches);
  if (wanted.length === 0 && !skipped) return;
  if (grid.isAtTop && !grid.hasFocus && pending === 0) {
    if (skipped || !list.add(wanted)) return reloadSoon();
    grid.welcome(wanted);
    show();
  } else {
    setPending(pending + wanted.length, pendingIsMore || skipped);
  }
}

// Many pictures at once: the list is read again, at most once a second.
let isReloading = false;
function reloadSoon() {
  if (isReloading) return;
  isReloading = true;
  setTimeout(() => {
    isReloading = false;
    if (grid.isAtTop && !grid.hasFocus) reload(); else setPending(pending || 1, true);
  }, 700);
}

function celebrate(picture) {
  wasEmpty = false;
  if (!picture || Date.now() - picture.stored > 60_000) return;
  const section = find("#first");
  const [image, button] = [find("img", section), find("button", section)];
  image.hidden = Boolean(obstacle(picture, true));
  image.src = image.hidden ? "" : addressOf(picture);
  button.ariaLabel = `Open ${description(picture)}`;
  button.onclick = () => story.open(picture);
  find("#first-note").replaceChildren(
    stranger(leafOf(picture.name)), `, ${listed(bytes(picture.bytes), "stored safely", delay(picture))}.`);
  section.hidden = false;
  find("#empty").hidden = true;
  setTimeout(() => section.classList.add("leaving"), 9_000);
  setTimeout(() => {
    const before = find("#grid").offsetTop;
    section.hidden = true;
    section.classList.remove("leaving");
    if (!grid.isAtTop) scrollBy(0, find("#grid").offsetTop - before);
    grid.schedule();
  }, 9_600);
}

let source = null;
let retries = 0;
let retry = 0;

function setLive(state, text) {
  find("#live").dataset.state = state;
  setText(find("#live span"), text);
}

function connect() {
  if (source || document.hidden) return;
  source = new EventSource(`/events?after=${newest}`);
  on(source, "state", (event) => {
    retries = 0;
    if (list.failure) list.resume(filter);
    const state = JSON.parse(event.data);
    find("#input").textContent = printable(state.input);
    const problem = find("#problem");
    problem.hidden = !state.problem;
    setText(problem, state.problem ? `The output cannot be read. ${state.problem}` : "");
    setLive(state.problem ? "broken" : "live", state.problem ? "Trouble" : "Live");
    if (!state.problem && (state.catalog ?? "") !== (catalog ?? "")) {
      catalog = state.catalog ?? "";
      newest = 0;
      disconnect();
      list.forget();
      reload();
    }
  });
  on(source, "stored", (event) => arrived(JSON.parse(event.data)));
  on(source, "reset", (event) => {
    newest = Number(event.lastEventId);
    list.forget();
    reload();
  });
  numbers.listen(source);
  source.onerror = () => {
    disconnect();
    setLive("away", "Reconnecting …");
    clearTimeout(retry);
    retry = setTimeout(connect, Math.min(10_000, 400 * 2 ** retries));
    retries += 1;
  };
}

function disconnect() {
  source?.close();
  source = null;
}

// Browsers allow few connections to one server, and a page that nobody sees needs none.
on(document, "visibilitychange", () => {
  if (document.hidden) disconnect(); else connect();
});
on(window, "online", connect);

// --- What is wanted

function setFilter(label, q) {
  if (filter.label === label && filter.q === q) return;
  takeFilter(label, q);
  rememberInAddress();
  scrollTo(0, 0);
  reload();
}

function takeFilter(label, q) {
  [filter.label, filter.q] = [label, q];
  find("#search").value = q;
  showLabel();
}

function showLabel() {
  const select = find("#label");
  select.value = filter.label;
  if (select.value !== filter.label) addLabel(filter.label).selected = true;
}

function addLabel(label) {
  const option = make("option", printable(label));
  option.value = label;
  find("#label").append(option);
  return option;
}

// Options that have not changed stay: their list may be open.
let shownLabels = "";
async function readLabels() {
  try {
    const answer = await ask("labels");
    const key = JSON.stringify(answer);
    if (key === shownLabels) return;
    shownLabels = key;
    find("#label").replaceChildren(find("#label").options[0]);
    for (const { name } of answer.labels) addLabel(name);
    if (answer.more) addLabel("More: use the search").disabled = true;
    showLabel();
  } catch {
    // The filter has fewer labels than it could.
  }
}

let typing = 0;
on(find("#search"), "input", (event) => {
  clearTimeout(typing);
  typing = setTimeout(() => setFilter(filter.label, event.target.value), 180);
});
on(find("#label"), "change", (event) => setFilter(event.target.value, filter.q));
on(find("#label"), "focus", readLabels);
on(find("#clear"), "click", () => { setFilter("", ""); find("#search").focus(); });
on(find(".skip"), "click", () => find("#grid").focus());

on(window, "keydown", (event) => {
  const isTyping = event.target.closest?.("input, select, textarea, dialog");
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    find("#search").focus();
  } else if (event.key === "Escape" && event.target.id === "search") {
    setFilter(filter.label, "");
  } else if (event.key === "ArrowDown" && event.target.id === "search" && list.length > 0) {
    event.preventDefault();
    grid.focus(list.newest);
  }
});

// --- The address: a reload, or another person, sees the same

function rememberInAddress() {
  const parts = queryOf({ ...filter, picture: story.id });
  const hash = parts.size ? `#${parts}` : "";
  if (location.hash === hash) return;
  // The back button closes a picture.
  const isOpening = story.id !== null && !location.hash.includes("picture=");
  history[isOpening ? "pushState" : "replaceState"](null, "", location.pathname + hash);
}

function wantedByAddress() {
  const parts = new URLSearchParams(location.hash.slice(1));
  return { label: parts.get("label") ?? "", q: parts.get("q") ?? "", id: Number(parts.get("picture")) };
}

on(window, "popstate", () => {
  const { label, q, id } = wantedByAddress();
  if (!id) story.close(); else if (id !== story.id) story.openID(id);
  setFilter(label, q);
});

readLabels();
const wanted = wantedByAddress();
takeFilter(wanted.label, wanted.q);
reload();
if (wanted.id) story.openID(wanted.id);
