// A dead letter's message as people can read it, and the token that sending it back needs.

const bytesOfHex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));

// Text with the characters that are not text made visible. Line ends stay.
const textOf = (data) => new TextDecoder().decode(data).split("\n").map(printable).join("\n");

function hexDump(data) {
  const lines = [];
  for (let start = 0; start < data.length; start += 16) {
    const row = [...data.subarray(start, start + 16)];
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const letters = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${start.toString(16).padStart(4, "0")}  ${digits.padEnd(47)}  ${letters}`);
  }
  return lines.join("\n");
}

function partText(part) {
  if (!part) return "null";
  const data = bytesOfHex(part.hex);
  const rest = part.bytes - data.length;
  return textOf(data) + (rest > 0 ? ` … (${count(rest, "more byte")})` : "");
}

function block(text, name) {
  return setAttributes(make("pre", text), { tabindex: 0, role: "region", "aria-label": name });
}

function rawMessage({ key, value, headers, more_headers: areMore }) {
  const facts = [["Key", partText(key)], ...headers.map(({ name, value }) => [partText(name), partText(value)])];
  const list = make("dl", ...facts.flatMap(([name, text]) => [
    make("dt", make("bdi", name)), make("dd", make("bdi", text))]));
  const data = value ? bytesOfHex(value.hex) : new Uint8Array();
  const size = value ? count(value.bytes, "byte") : "null";
  const cut = value && value.bytes > data.length ? `; the first ${whole.format(data.length)} are shown` : "";
  const box = make(
    "div.raw", make("h4", "Key and headers"), list, areMore && make("p", "There are more headers."),
    make("h4", `Value: ${size}${cut}`));
  if (data.length === 0) return box;
  const hex = make("details", make("summary", "In hexadecimal"), block(hexDump(data), "Value in hexadecimal"));
  return fill(box, block(textOf(data), "Value as text"), hex);
}

// --- The token: asked for when it is needed, and kept in this tab only

class TokenDialog extends Dialog {
  #input = this.find("input");
  #done = null;
  // If the browser stores nothing, it is kept until the page is loaded again.
  token = "";

  constructor() {
    super("#token");
    try { this.token = sessionStorage.token; } catch {}
    on(this.find(".cancel"), "click", () => this.close());
    on(this.find("form"), "submit", (event) => {
      event.preventDefault();
      this.#keep(this.#input.value.trim());
      this.close();
    });
  }

  #keep(token) {
    this.token = token;
    try { sessionStorage.token = token; } catch {}
  }

  closed() {
    this.#input.value = "";
    this.#done?.(this.token);
    this.#done = null;
  }

  // Returns nothing if the person gives none.
  ask(problem) {
    this.#keep("");
    setText(this.find(".verdict"), problem);
    this.show();
    this.#input.focus();
    return new Promise((done) => { this.#done = done; });
  }
}
