// What all dialogs share. They are closed by their button, the Escape key, and a click next to them.

class Dialog {
  constructor(selector) {
    this.element = find(selector);
    const button = makeButton("button.round.close", "✕", () => this.close());
    button.ariaLabel = "Close";
    this.element.prepend(button);
    // A selection of text may end next to the dialog.
    let isNextToIt = false;
    on(this.element, "pointerdown", ({ target }) => { isNextToIt = target === this.element; });
    on(this.element, "click", ({ target }) => { if (isNextToIt && target === this.element) this.close(); });
    // The event comes later. The dialog may be open again by then.
    on(this.element, "close", () => { if (!this.isOpen) this.closed(); });
  }

  closed() {}

  get isOpen() { return this.element.open; }

  find(selector) { return find(selector, this.element); }

  show() { if (!this.isOpen) this.element.showModal(); }

  close() { this.element.close(); }
}

// An action that is repeated after the time in ms that it returns, and sooner if it is called; 0: no more.
function repeated(action) {
  let timer = 0;
  return async function repeat() {
    clearTimeout(timer);
    let wait = 5_000;
    try { wait = await action(); } catch (error) { console.error(error); }
    clearTimeout(timer);
    if (wait) timer = setTimeout(repeat, wait);
  };
}
