// Dead letters with reasons and raw messages, to be sent back with the token; and images that are not stored. The server
// asks Kafka only while this is open.

class Failures extends Dialog {
  #opener = find("#show-failures");
  #trouble = this.find(".trouble");
  #outcome = this.find(".verdict");
  #all = this.find(".all");
  #list = this.find(".letters");
  #token = new TokenDialog();
  #state = { version: -1, letters: [], unstored: { images: [], problem: null } };
  // The last replay that was over when the dialog was opened.
  #pastReplay = null;
  #items = new Map();

  constructor() {
    super("#failures");
    on(this.#all, "click", () => {
      if (this.#all.ariaDisabled !== "true") this.#replay({ all: 1 });
    });
    on(this.#opener, "click", () => this.#open());
    on(document, "visibilitychange", () => { if (!document.hidden) this.#count(); });
    this.#count();
  }

  #open() {
    this.#pastReplay = null;
    this.#state.version = -1;
    this.#show();
    this.show();
    this.#poll();
  }

  closed() { this.#count(); }

  // The button in the header: how many there are, without asking Kafka.
  #count = repeated(async () => {
    let wait = 60_000;
    try {
      const { ready, known, letters, more, foreign, unstored } = await ask("failures/count");
      if (!ready) wait = 1_000;
      const number = letters + unstored;
      this.#opener.hidden = !ready || (known && number + foreign === 0);
      setText(find("span", this.#opener), number > 0 ? `${whole.format(number)}${more ? "+" : ""}` : "");
    } catch {
      // The header shows that the server does not answer.
    }
    return document.hidden ? 0 : wait;
  });

  // --- What is known

  #poll = repeated(async () => {
    if (!this.isOpen) return 0;
    let wait = 2_000;
    if (document.hidden) return wait;
    try {
      Object.assign(this.#state, await ask("failures", { since: this.#state.version }));
      const { replay, looking } = this.#state;
      this.#pastReplay ??= replay && !replay.running ? replay.id : 0;
      if (looking || replay?.running) wait = 400;
      this.#state.problem = "";
    } catch (error) { this.#state.problem = `The page's server does not answer: ${error.message}`; }
    this.#show();
    return wait;
  });

  #show() {
    const { letters, writable, replay, unstored, refused, version } = this.#state;
    const waiting = letters.filter((letter) => !letter.replayed && !letter.stays).length;
    const troubles = [
      this.#state.problem, this.#state.disk_problem,
      this.#state.broker_problem && `Kafka cannot be asked: ${this.#state.broker_problem}`,
    ].filter(Boolean);
    this.#trouble.hidden = !troubles[0];
    setText(this.#trouble, printable(troubles.join(" — ")));
    setText(this.find(".status"), this.#statusText(waiting));
    this.find(".read-only").hidden = version < 0 || writable !== false;
    this.#all.hidden = !writable || letters.length === 0;
    this.#all.ariaDisabled = String(waiting === 0 || Boolean(replay?.running));
    say(this.#outcome, ...this.#outcomeText(replay));
    this.#showLetters(letters);
    this.#showUnstored(unstored, refused ?? []);
  }

  #statusText(waiting) {
    const { letters, more, answered, looking, broker_problem: problem } = this.#state;
    if (letters.length === 0) {
      if (answered) return "There are none. A message that cannot be stored appears here, with the reason.";
      return looking ? "Asking Kafka …" : problem ? "None on disk." : "";
    }
    const known = !answered ? ", on disk" : problem ? `, as of ${dateAndTime(answered)}` : "";
    return `${waiting === 0 ? "No dead letter waits" : count(waiting, "dead letter waits", "dead letters wait")}${known}.`
      + (more ? ` Only the newest ${whole.format(letters.length)} are listed; “Send all back” sends the others, too.` : "");
  }

  #outcomeText(replay) {
    if (!replay || (!replay.running && replay.id === this.#pastReplay)) return ["", ""];
    const sent = count(replay.sent, "dead letter");
    if (replay.running) return ["", `Sending back … ${replay.sent > 0 ? `${sent} so far` : ""}`];
    const failed = replay.failed > 0 ? ` ${count(replay.failed, "dead letter")} could not be sent: see the page's log.` : "";
    const stay = replay.stay > 0 ? ` ${count(replay.stay, "message")} cannot be sent back.` : "";
    const problem = replay.problem ? ` ${printable(replay.problem)}` : "";
    if (problem || failed) return ["bad", `Sent back: ${sent}.${failed}${problem}`];
    return [replay.sent > 0 ? "good" : "", `Sent back: ${sent}.${stay}`];
  }

  // Elements are kept, so that open ones stay open and the focus stays.
  #showLetters(letters) {
    const items = new Map();
    for (const letter of letters) {
      // A topic that was created again has the same offsets.
      const id = [letter.file, letter.at_partition, letter.at_offset, letter.milliseconds].join();
      items.set(id, this.#items.get(id) ?? this.#makeItem(letter));
      this.#update(items.get(id), letter);
    }
    for (const [id, item] of this.#items) if (!items.has(id)) item.remove();
    this.#items = items;
    arrange(this.#list, items.values());
  }

  #makeItem(letter) {
    const name = letter.image ?? letter.key;
    const line = lineOf(
      name, letter.kind, make("span.tag.old.done", "sent back"), moment(letter.milliseconds, ago(letter.milliseconds)));
    const reason = letter.reason ?? letter.stays ?? "";
    const origin = letter.topic
      && `${letter.topic}, partition ${letter.partition}, offset ${letter.offset}, ${count(letter.bytes, "byte")}`;
    const details = make(
      "details", make("summary", line, stranger(reason, "bdi.reason")),
      letter.fix && advice(letter.fix),
      letter.stays && make("p", make("b", "It cannot be sent back: "), stranger(letter.stays)),
      origin && make("p.soft", "The message: ", stranger(origin)),
      make("p.soft", "The dead letter: ", stranger(letter.letter), `, ${dateAndTime(letter.milliseconds)}`));
    const place = letter.file ? { file: letter.file } : { partition: letter.at_partition, offset: letter.at_offset };
    const send = makeButton("button.plain.send", "Send this one back", () => this.#replay(place));
    if (name) send.ariaLabel = `Send this one back: ${printable(name)}`;
    on(fill(details, send), "toggle", () => this.#readMessage(details, place));
    return make("li", details);
  }

  #update(item, letter) {
    item.classList.toggle("replayed", letter.replayed);
    const send = find(".send", item);
    const hasFocus = document.activeElement === send;
    send.hidden = !this.#state.writable || letter.replayed || Boolean(letter.stays);
    if (hasFocus && send.hidden) find("summary", item).focus();
    find(".done", item).hidden = !letter.replayed;
    setText(find("time", item), ago(letter.milliseconds));
  }

  async #readMessage(details, place) {
    if (!details.open || find(".raw", details)) return;
    const box = make("p.raw.soft", "Reading …");
    details.append(box);
    try { box.replaceWith(rawMessage(await ask("failures/letter", place))); } catch (error) {
      box.textContent = `The message cannot be shown: ${error.message}`;
    }
  }

  #shownUnstored = null;

  #showUnstored(unstored, refused) {
    if (unstored === this.#shownUnstored) return;
    this.#shownUnstored = unstored;
    const { images, problem, more } = unstored;
    const note = (...words) => make("p.soft", ...words);
    const parts = [make("h3", "Images that are not stored")];
    if (problem) {
      parts.push(note("Not shown: ", stranger(problem)));
    } else if (images.length === 0) {
      parts.push(note("There are none: each image that was sent is stored, or on its way."));
    } else {
      const items = images.map(({ path, kind, state, fix }) => make(
        "li", lineOf(path, kind), make("span.reason", state), advice(fix)));
      parts.push(note("Images that were sent, as far as the producer knows."), make("ul.letters", ...items));
      if (more) parts.push(note("There are more: image-pipeline status lists them."));
    }
    const files = refused.map(({ line }) => refusedFile(line));
    if (files.length) parts.push(make("h3", "Files that cannot be sent"), make("ul.letters", ...files));
    this.find("section").replaceChildren(...this.#state.ready ? parts : []);
  }

  async #replay(place) {
    if (this.#state.replay?.running) return;
    let { token } = this.#token;
    let problem = "";
    while (true) {
      token ||= await this.#token.ask(problem);
      if (!token) return;
      try {
        await ask("failures/replay", place, "POST", { Authorization: `Bearer ${token}` });
        return this.#poll();
      } catch (error) {
        if (error.status !== 401) return say(this.#outcome, "bad", `Not sent back: ${error.message}`);
        token = null;
        problem = error.message;
      }
    }
  }
}

const lineOf = (name, kind, ...more) => make(
  "span.line", name ? stranger(name, "bdi.name") : make("i.name", "without a name"), kind && stranger(kind, "bdi.tag"), ...more);

const advice = (fix) => make("p", make("b", "What to do: "), fix);

// A line of a producer, or of anything else that answers at its address.
function refusedFile(line) {
  const file = parsed(line) ?? { reason: line };
  const [image, reason] = [file.image, file.reason].map((text) => (typeof text === "string" ? text : ""));
  return make("li", lineOf(image), make("span.reason", printable(reason)));
}
