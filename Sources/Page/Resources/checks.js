// The latest findings of audit and doctor, and buttons that run them.

const marks = { ok: "✓", note: "!", problem: "✕" };

class Checks extends Dialog {
  // Each kind's section of the dialog, with its parts.
  #sections = {};
  #request = null;

  constructor() {
    super("#checks");
    const opener = find("#open-checks");
    on(opener, "click", () => {
      this.show();
      this.#update();
    });
    // A demo has nothing to check.
    ask("checks").then(({ now }) => { opener.hidden = !now; }, () => {});
    this.#add("audit", "Did everything arrive?",
      "Compares input, ledger, topic, output and CSV file by names, sizes and offsets. It reads no picture.");
    this.#add("doctor", "Is everything set up well?",
      "Looks at clock, brokers, topic, rights, size limits and, if the page may write to them, folders.");
  }

  #add(kind, title, text) {
    const button = makeButton("button.plain.run", "Run", () => {
      if (button.ariaDisabled === "true") return;
      this.#request = () => ask(`checks/${kind}`, {}, "POST");
      this.#update();
    });
    const [time, verdict, list] = [make("time"), make("p.verdict"), make("ul.findings")];
    verdict.role = "status";
    const head = make("div.head", make("h3", title), time, button);
    const section = make("section.check", head, make("p.soft", text), verdict, list);
    [section.id, section.ariaLabel] = [kind, title];
    this.find(".body").append(section);
    this.#sections[kind] = { button, time, verdict, list };
  }

  #update = repeated(async () => {
    if (!this.isOpen) return 0;
    const read = () => ask("checks");
    const request = this.#request ?? read;
    this.#request = null;
    let state = null;
    try {
      state = await request().catch((error) => {
        if (error.status !== 429) throw error;
        // Another check has just ended: again in a moment, unless somebody was faster.
        this.#request = request;
        return read();
      });
      if (state.running) this.#request = null;
      for (const kind in this.#sections) this.#show(kind, state);
    } catch (error) {
      for (const { verdict } of Object.values(this.#sections)) say(verdict, "bad", error.message);
    }
    return !state || state.running || this.#request ? 600 : 0;
  });

  #show(kind, { now, running, [kind]: run }) {
    const { button, time, verdict, list } = this.#sections[kind];
    const isRunning = running === kind;
    button.ariaDisabled = String(Boolean(running));
    setText(button, isRunning ? "Running …" : run ? "Run again" : "Run");
    setText(time, !run ? "" : isRunning ? `since ${span(now - run.begun)}` : ago(run.ended, now));
    if (!run) return say(verdict, "", "It was not run yet.");
    const lines = run.lines.map(parsed).filter(Boolean);
    const findings = lines.filter((line) => line.finding).map((line) => findingOf(kind, line));
    const [mood, text] = isRunning
      ? ["", findings.length ? `${count(findings.length, "finding")} so far` : "Looking …"]
      : judgement(kind, lines.at(-1), run);
    say(verdict, mood, text);
    const wrong = findings.filter(({ level }) => level !== "ok");
    const fine = findings.filter(({ level }) => level === "ok");
    const rows = wrong.sort((one, other) => (one.level < other.level ? 1 : -1)).map(row);
    if (run.omitted) rows.push(make("li.soft", `… and ${count(run.omitted, "more line")}. The command shows all of them.`));
    if (fine.length) {
      const summary = make("summary", `${count(fine.length, "check")} without a finding`);
      const details = make("details", summary, make("ul.findings", ...fine.map(row)));
      details.open = find("details", list)?.open ?? false;
      rows.push(make("li.soft", details));
    }
    list.replaceChildren(...rows);
  }
}

function findingOf(kind, line) {
  if (kind === "audit") return { level: "problem", what: line.name, text: line.text, fix: line.fix };
  const subject = line.name ? `${line.name} ${line.value}: ` : "";
  return { level: line.finding, what: line.area, text: subject + line.text, fix: line.cure ?? line.advice };
}

function row({ level, what, text, fix }) {
  const mark = setAttributes(make("b", marks[level]), { role: "img", "aria-label": level });
  const advice = fix && make("small", printable(fix));
  return make(`li.${level}`, mark, make("p", stranger(what, "bdi.what"), stranger(text), advice));
}

// The result of a check, from the counts in its last line.
function judgement(kind, totals, { trouble, code }) {
  if (kind === "doctor" && totals?.problems !== undefined) {
    if (totals.problems) return ["bad", `${count(totals.problems, "problem")}, ${count(totals.notes, "note")}`];
    return ["good", totals.notes ? `No problem, ${count(totals.notes, "note")}` : "No problem"];
  }
  if (kind === "audit" && totals?.findings !== undefined) {
    if (totals.findings) return ["bad", `${count(totals.findings, "finding")}: not everything is as it should be`];
    if (totals.on_the_way) {
      return ["good", `Nothing is wrong; ${count(totals.on_the_way, totals.ledger ? "image" : "message")} on the way`];
    }
    const stored = `${count(totals.stored, "image")} stored`;
    return ["good", totals.ledger && totals.output ? `Everything arrived: ${stored}` : `Nothing is wrong: ${stored}`];
  }
  const reason = parsed(trouble)?.message;
  return ["bad", reason ? printable(reason) : `It ended with code ${code} and without a result.`];
}
