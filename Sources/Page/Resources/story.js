// One picture, large, with everything that is known about it.

// The search for versions goes on by itself for at most this number of requests. Then the user decides.
const versionRequests = 10;

const receiptWords = {
  confirmed: "the producer knows that it is stored", waiting: "the producer waits for more outputs",
  lost: "an output has lost it; it is sent again",
};

class Story extends Dialog {
  // The picture that is wanted, or null.
  #id = null;
  // Changes with the picture, so that late answers are left out.
  #turn = 0;

  // `neighbour(id, step)` returns the picture before or after one; `moved` is called with the id of the picture that is
  // shown now, or null.
  constructor(calls) {
    super("#story");
    Object.assign(this, calls);
    on(this.find(".newer"), "click", () => this.#step(-1));
    on(this.find(".older"), "click", () => this.#step(1));
    on(this.find(".verify"), "click", () => this.#verify());
    on(this.find(".versions button"), "click", () => this.#findVersions());
    on(this.find(".shown"), "click", (event) => { if (event.target === event.currentTarget) this.close(); });
    on(this.element, "keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || hasModifier(event)) return;
      event.preventDefault();
      this.#step(step);
    });
  }

  get id() { return this.#id; }

  #begin(id) {
    this.#id = id;
    return this.#turn += 1;
  }

  // Shows a picture that may not be in the list.
  async openID(id) {
    const turn = this.#begin(id);
    try {
      const picture = await ask(`pictures/${id}`);
      if (turn === this.#turn) this.open(picture);
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#show(false);
      this.find("h2").textContent = "This picture cannot be shown";
      this.#say("bad", error.status === 404 ? "The output does not have it." : `It cannot be read: ${error.message}`);
    }
  }

  // Shows the dialog with nothing of the picture before.
  #show(isKnown) {
    for (const part of [".shown", ".badges", "dl", "ol"]) this.find(part).replaceChildren();
    for (const part of [".actions", ".versions"]) this.find(part).hidden = !isKnown;
    this.#say("", "");
    const { activeElement: focused } = document;
    const keepsFocus = this.element.contains(focused) && focused.checkVisibility();
    this.show();
    if (!keepsFocus) this.find(isKnown ? ".verify" : ".close").focus();
    this.find(".side").scrollTop = 0;
    this.showNeighbours();
    this.moved(this.id);
  }

  showNeighbours() {
    for (const [part, step] of [[".newer", -1], [".older", 1]]) {
      this.find(part).ariaDisabled = String(!this.neighbour(this.id, step));
    }
  }

  async open(picture) {
    const turn = this.#begin(picture.id);
    this.#show(true);
    const image = showPicture(picture, this.find(".shown"), false);
    if (image) {
      if (picture.width && picture.height) [image.width, image.height] = [picture.width, picture.height];
      image.src = addressOf(picture);
    }
    this.find("h2").replaceChildren(stranger(picture.name));
    fill(
      this.find(".badges"), hasLabel(picture) && stranger(picture.label, "bdi.tag"),
      !picture.current && make("span.tag.old", "replaced"));
    this.#showFacts(picture);
    const download = this.find(".download");
    download.href = `${addressOf(picture)}?download=1`;
    download.hidden = !picture.current;
    try {
      const details = await ask(`pictures/${picture.id}`);
      if (turn !== this.#turn) return;
      this.#showFacts(details);
      this.#versionsFrom = undefined;
      await this.#findVersions();
    } catch (error) {
      if (turn === this.#turn) this.#say("bad", `The facts cannot be read: ${error.message}`);
    }
  }

  // Also before a picture from the address has been read.
  close() {
    this.#begin(null);
    super.close();
  }

  closed() {
    this.#begin(null);
    this.find(".shown").replaceChildren();
    this.moved(null);
  }

  #step(step) {
    const picture = this.neighbour(this.id, step);
    if (picture) this.open(picture);
  }

  #showFacts(picture) {
    const facts = this.find("dl");
    facts.replaceChildren();
    const add = (name, value, note) =>
      facts.append(make("dt", name), make("dd", value, note && make("small", note)));
    add("Format", formatAndSize(picture));
    add("Size", bytes(picture.bytes), picture.bytes >= 1000 && count(picture.bytes, "byte"));
    const { ledger } = picture;
    if (ledger?.modified) add("File written", moment(ledger.modified));
    if (picture.sent) {
      add("Sent", moment(picture.sent), ledger?.sent_again && `sent again ${count(ledger.sent_again, "time")}`);
    }
    add("Stored", moment(picture.stored), delay(picture));
    if (ledger?.receipt) add("Receipt", moment(ledger.receipt), receiptWords[ledger.state]);
    else if (ledger?.state === "waiting") add("Receipt", "The producer waits for it.");
    if (picture.topic) {
      const offset = picture.offset != null && `partition ${picture.partition}, offset ${picture.offset}`;
      add("Topic", stranger(picture.topic), offset);
    }
    if (picture.sha256) add("SHA-256", make("code.hash", picture.sha256));
    if (picture.path) add("File", stranger(picture.path));
  }

  #say(kind, text) { say(this.find(".verdict"), kind, text); }

  async #verify() {
    const turn = this.#turn;
    const button = this.find(".verify");
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    this.#say("", "Reading the file …");
    try {
      const answer = await ask(`pictures/${this.id}/verify`);
      if (turn === this.#turn) this.#say(...this.#verdict(answer));
    } catch (error) {
      if (turn === this.#turn) this.#say("bad", `The file cannot be checked: ${error.message}`);
    } finally { button.ariaDisabled = "false"; }
  }

  #verdict({ result, bytes: size, milliseconds, sha256 }) {
    switch (result) {
      case "unchanged": return ["good", `Unchanged: ${bytes(size)} read in ${span(milliseconds)}, and the hash is the recorded one.`];
      case "altered": return ["bad", `ALTERED: the file is not what was stored. ${sha256 ? `Its SHA-256 is now ${sha256}` : `It has ${bytes(size)} now`}.`];
      case "missing": return ["bad", "MISSING: the output has no such file."];
      default: return ["", "A newer version has replaced this one; its file is gone."];
    }
  }

  // Where the search goes on; undefined: at the newest; null: it is complete.
  #versionsFrom = undefined;

  async #findVersions() {
    const turn = this.#turn;
    const [list, status, button] = ["ol", "[role=status]", "button"].map((part) => this.find(`.versions ${part}`));
    button.hidden = true;
    setText(status, "Looking for other versions …");
    try {
      for (let round = 0; round < versionRequests && this.#versionsFrom !== null; round += 1) {
        const answer = await ask("pictures", { same: this.id, before: this.#versionsFrom, limit: 50 });
        if (turn !== this.#turn) return;
        this.#versionsFrom = answer.next;
        for (const version of answer.pictures) list.append(this.#version(version));
      }
      setText(status, list.children.length === 1 && this.#versionsFrom === null ? "This is the only one." : "");
      button.hidden = this.#versionsFrom === null;
    } catch (error) {
      if (turn === this.#turn) setText(status, `The versions cannot be read: ${error.message}`);
    }
  }

  #version(version) {
    const button = makeButton("button.version", "", () => this.open(version));
    fill(
      button, make("span", dateAndTime(version.stored)),
      make("small", listed(formatAndSize(version), bytes(version.bytes))),
      version.current && make("span.tag", "stored now"));
    if (version.id === this.id) button.ariaCurrent = "true";
    return make("li", button);
  }
}
