"""Tests what the page does with answers that its server seldom gives: late ones, refusals, and values that only a stranger would
send. The server and its pictures are real; single answers are replaced in the browser. `make test-page` runs it."""

import json
import unittest

from browser import ActionChains, BrowserTest, By, Keys, World, open_browser, png, wait

COUNT = 120
TOKEN = "correct-horse-battery"

# Answers of the test: the latest one whose pattern matches the path. It can ask for the server's own answer.
HAND = """
window.made = [];
window.asked = [];
const real = window.fetch;
window.fetch = async (address, options) => {
  const path = address.split("?")[0];
  asked.push(path);
  const [, answer] = made.findLast(([pattern]) => pattern.test(path)) ?? [];
  if (!answer) return real(address, options);
  const body = await answer(async () => (await real(address, options)).json(), options);
  return new Response(JSON.stringify(body), { headers: { "Content-Type": "application/json" } });
};
const Stream = window.EventSource;
window.EventSource = class extends Stream {
  constructor(address) { super(address); window.stream = this; }
};
window.tell = (type, data) => stream.dispatchEvent(new MessageEvent(type, { data: JSON.stringify(data) }));
"""


def letter(name, milliseconds, **more):
    return {"image": name, "key": name, "kind": "NameRefusal", "reason": f"the reason of {name}", "topic": "images", "partition": 0,
            "offset": 7, "bytes": 9, "letter": "0/0", "milliseconds": milliseconds, "replayed": False, "at_partition": 0,
            "at_offset": 0, **more}


class AnswersTest(BrowserTest):
    """The tests share one world. Each loads the page for itself."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        for number in range(COUNT):
            cls.world.drop(f"label-{number % 3}/{number:03}.png", png(number))
        cls.world.transfer()
        cls.world.start(PAGE_TOKEN=TOKEN, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
        cls.browser = open_browser()
        cls.browser.set_script_timeout(20)

    expected = ["status of 404"]

    def load(self, address="", script=""):
        """Loads the page with a script that runs before its own."""
        added = self.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": f"{{{HAND}{script}}}"})
        self.browser.get("about:blank")
        self.browser.get(self.world.address + address)
        self.browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)
        wait(lambda: len(self.texts(".tile")) > 20 and self.find("#live").text == "Live", "the pictures")

    def make(self, pattern, answer):
        self.run_script(f"made.push([{pattern}, {answer}])")

    def settle(self, script=""):
        """Waits for an answer of the server, so that everything begun before in the browser is over."""
        self.browser.execute_async_script(
            script + "; fetch('/api/numbers').then((answer) => answer.json()).then(() => setTimeout(arguments[0]))")

    def picture(self, index):
        return self.ask("api/pictures")["pictures"][index]

    def shown_name(self):
        return self.texts("#story-name")[0]

    def open_tile(self, position):
        self.find(f"[aria-posinset='{position}'] button").click()
        wait(lambda: self.is_shown("#story") and "SHA-256" in self.texts("#story dt"), "the picture")

    def answer_failures(self, letters, **more):
        """Makes the answer about failures."""
        state = {"version": 1, "ready": True, "writable": True, "looking": False, "answered": 1_700_000_000_000, "replay": None,
                 "letters": letters, "unstored": {"images": [], "problem": None}, "refused": [], **more}
        self.make("/^.api.failures$/", f"() => ({json.dumps(state)})")

    def open_failures(self):
        wait(lambda: self.is_shown("#show-failures"), "the button")
        self.find("#show-failures").click()
        wait(lambda: self.is_shown("#failures"), "the dialog")

    def names(self):
        return self.texts("ol.letters .name")

    # --- Strangers' values

    def test_times_that_no_calendar_has(self):
        self.load(script="""made.push([/^.api.pictures/, async (answer) => {
            const body = await answer();
            for (const picture of body.pictures ?? [body]) [picture.sent, picture.stored] = [9223372036854775807, 9e15];
            return body;
        }]);""")
        self.open_tile(1)
        self.assertEqual(self.texts("#story dd time"), ["impossible time"] * 2)
        self.assertNotIn("after it was sent", self.find("#story dl").text)

    def test_dead_letters_with_such_times(self):
        self.load()
        self.answer_failures([letter("far.png", 9223372036854775807), letter("near.png", 1_700_000_000_000, at_offset=1)])
        self.open_failures()
        wait(lambda: self.names() == ["far.png", "near.png"], "the dead letters")
        self.assertIn("impossible time", self.texts("ol.letters time"))
        # It is asked again.
        self.answer_failures([letter("new.png", 1)])
        wait(lambda: self.names() == ["new.png"], "the next answer")

    def test_an_answer_that_breaks_something_is_not_the_last(self):
        self.load()
        self.answer_failures(None)
        self.open_failures()
        wait(lambda: any("TypeError" in entry["message"] for entry in self.browser.get_log("browser")), "the failure")
        self.answer_failures([letter("new.png", 1)])
        wait(lambda: self.names() == ["new.png"], "the next answer")
        self.browser.get_log("browser")

    def test_invisible_characters_are_shown(self):
        names = ["tag\U000e0041.png", "braille\u2800.png", "hangul\u3164\u115f\u1160\uffa0.png", "soft\u00ad\u2028\u061c.png"]
        self.load(script=f"""const names = {json.dumps(names)};
            made.push([/^.api.pictures$/, async (answer) => {{
                const body = await answer();
                names.forEach((name, index) => {{ body.pictures[index].name = name; }});
                return body;
            }}]);""")
        self.assertEqual(self.texts(".tile .name")[:4], [
            "tag⟨U+E0041⟩.png", "braille⟨U+2800⟩.png", "hangul⟨U+3164⟩⟨U+115F⟩⟨U+1160⟩⟨U+FFA0⟩.png",
            "soft⟨U+00AD⟩⟨U+2028⟩⟨U+061C⟩.png"])

    # --- The list

    def test_pictures_that_were_not_read_are_announced(self):
        self.load()
        # The person scrolls before the list has been read again.
        self.run_script("tell('stored', { newest: 9, skipped: true, pictures: [] }); scrollTo(0, 2000)")
        wait(lambda: self.find("#fresh").text == "1+ new", "the button")
        self.find("#fresh").click()
        wait(lambda: not self.is_shown("#fresh") and self.run_script("return scrollY") == 0, "the newest")
        # The person goes to a picture, with the keyboard.
        self.browser.find_element(By.TAG_NAME, "body").send_keys("/")
        self.run_script("""
            tell("stored", { newest: 9, skipped: true, pictures: [] });
            document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }));""")
        focused = "return document.activeElement.matches('.tile :focus-visible')"
        self.assertTrue(self.run_script(focused))
        wait(lambda: self.find("#fresh").text == "1+ new", "the button")
        self.assertTrue(self.run_script(focused))

    def test_skipping_to_the_pictures_keeps_the_search(self):
        self.load("#q=png&label=label-1")
        self.run_script("document.querySelector('.skip').focus()")
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)
        self.settle()
        self.assertEqual(self.run_script("return document.activeElement.id"), "grid")
        self.assertIn("q=png", self.browser.current_url)
        self.assertEqual(self.find("#search").get_attribute("value"), "png")
        self.assertEqual(set(self.texts(".tile .tag")), {"label-1"})

    def test_labels_are_read_when_the_keyboard_arrives(self):
        self.load(script="made.push([/^.api.labels$/, () => ({ labels: [], more: false })]);")
        self.assertEqual(self.texts("#label option"), ["All labels"])
        self.make("/^.api.labels$/", "() => ({ labels: [{ name: 'cat' }, { name: 'dog' }], more: true })")
        self.run_script("document.querySelector('#search').focus()")
        self.browser.switch_to.active_element.send_keys(Keys.TAB)
        wait(lambda: self.texts("#label option") == ["All labels", "cat", "dog", "More: use the search"], "the labels")
        self.assertEqual(self.texts("#label option:disabled"), ["More: use the search"])
        # The same labels again: their list, which may be open, does not change.
        self.run_script("window.option = document.querySelector('#label').options[1]; asked.length = 0; document.activeElement.blur()")
        self.run_script("document.querySelector('#label').focus()")
        wait(lambda: "/api/labels" in self.run_script("return asked"), "the question")
        self.settle()
        self.assertTrue(self.run_script("return option.isConnected"))

    def test_a_notice_is_announced_once(self):
        self.load()
        self.run_script("""window.changes = 0;
            new MutationObserver((list) => { changes += list.length; }).observe(document.querySelector("#problem"), { childList: true });
            for (const round of [1, 2, 3]) tell("state", { input: "images", problem: "the disk is gone", catalog: null });""")
        wait(lambda: "the disk is gone" in self.find("#problem").text, "the notice")
        self.assertEqual(self.run_script("return changes"), 1)

    # --- One picture

    def hold(self, picture):
        """A script that holds a picture's answer back until `release` is called."""
        return f"made.push([/^.api.pictures.{picture['id']}$/, async (answer) => {{ const body = await answer(); " \
               "await new Promise((done) => { window.release = done; }); return body; }]);"

    def test_a_late_picture_does_not_replace_a_newer_one(self):
        late, other = self.picture(5), self.picture(1)
        self.load(f"#picture={late['id']}", self.hold(late))
        wait(lambda: self.run_script("return Boolean(window.release)"), "the question")
        self.open_tile(2)
        self.settle("release()")
        self.assertEqual(self.shown_name(), other["name"])
        self.assertIn(f"picture={other['id']}", self.browser.current_url)

    def test_a_late_picture_does_not_open_what_was_closed(self):
        late = self.picture(5)
        self.load(f"#picture={late['id']}", self.hold(late))
        wait(lambda: self.run_script("return Boolean(window.release)"), "the question")
        self.run_script("location.hash = ''")
        self.settle("release()")
        self.assertFalse(self.is_shown("#story"))
        self.assertNotIn("picture=", self.browser.current_url)

    def test_two_quick_steps_show_the_picture_of_the_address(self):
        late, other = self.picture(5), self.picture(1)
        self.load()
        for picture in [late, other]:
            self.run_script(f"location.hash = 'picture={picture['id']}'")
            wait(lambda: self.shown_name() == picture["name"], "the picture")
        self.run_script(self.hold(late))
        self.browser.back()
        wait(lambda: self.run_script("return Boolean(window.release)"), "the question")
        self.browser.forward()
        wait(lambda: f"picture={other['id']}" in self.browser.current_url, "the address")
        self.settle("release()")
        self.assertEqual(self.shown_name(), other["name"])
        self.assertIn(f"picture={other['id']}", self.browser.current_url)

    def test_a_picture_that_is_gone_is_reported(self):
        self.load("#picture=999999")
        wait(lambda: self.find("#story .verdict").text == "The output does not have it.", "the reason")
        self.assertEqual(self.shown_name(), "This picture cannot be shown")
        self.assertIn("picture=999999", self.browser.current_url)
        self.assertFalse(self.is_shown("#story .verify") or self.is_shown("#story .versions"))
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        wait(lambda: not self.is_shown("#story") and "picture=" not in self.browser.current_url, "the list")
        self.make("/^.api.pictures.77$/", "() => { throw new TypeError('nobody answers') }")
        self.run_script("location.hash = 'picture=77'")
        wait(lambda: self.find("#story .verdict").text == "It cannot be read: nobody answers", "the other reason")
        self.assertIn("picture=77", self.browser.current_url)
        # The next one is complete again.
        self.run_script("location.hash = 'picture=1'")
        wait(lambda: "SHA-256" in self.texts("#story dt"), "the facts")
        self.assertTrue(self.is_shown("#story .verify"))
        self.assertEqual(self.find("#story .verdict").text, "")

    def test_arrow_keys_go_on_at_the_ends(self):
        self.load()
        self.open_tile(2)
        first, second = self.picture(0), self.picture(1)
        self.run_script("document.querySelector('.newer').focus()")
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)
        wait(lambda: self.shown_name() == first["name"], "the newest")
        self.assertEqual(self.find(".newer").get_attribute("aria-disabled"), "true")
        self.assertTrue(self.run_script("return document.activeElement.matches('.newer')"))
        self.browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        wait(lambda: self.shown_name() == second["name"], "the one after it")
        self.browser.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
        wait(lambda: self.shown_name() == first["name"], "the newest")
        # A newer one arrives.
        newer = {**first, "id": first["id"] + 1, "name": "newer.bin", "format": ""}
        self.run_script("tell('stored', arguments[0])", {"newest": newer["id"], "skipped": False, "pictures": [newer]})
        wait(lambda: self.find(".newer").get_attribute("aria-disabled") == "false", "the button")

    def test_the_list_goes_on_beyond_its_loaded_part(self):
        self.load()
        oldest = self.ask(f"api/pictures?limit={COUNT}")["pictures"][-1]
        self.open_tile(1)
        for _ in range(COUNT):
            name = self.shown_name()
            if name == oldest["name"]:
                break
            wait(lambda: self.find(".older").get_attribute("aria-disabled") == "false", "an older one")
            self.browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
            wait(lambda: self.shown_name() != name, "it")
        self.assertEqual(self.shown_name(), oldest["name"])
        self.assertEqual(self.find(".older").get_attribute("aria-disabled"), "true")

    def test_the_keyboard_goes_on_after_another_version(self):
        picture, other = self.picture(3), self.picture(4)
        self.load()
        self.make("/^.api.pictures$/", "async () => ({ catalog: {}, next: null, pictures: [" + json.dumps(other) + "] })")
        self.open_tile(4)
        wait(lambda: self.texts("#story .version"), "the versions")
        self.run_script("document.querySelector('.version').focus()")
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)
        wait(lambda: self.shown_name() == other["name"], "the other version")
        self.browser.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
        wait(lambda: self.shown_name() == picture["name"], "the one before it")

    def test_a_selection_does_not_close_a_dialog(self):
        self.load()
        self.open_tile(1)
        code = self.find("#story .hash")
        box = code.rect
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        outside = (int(1270 - x), int(430 - y))
        ActionChains(self.browser).move_to_element(code).click_and_hold().move_by_offset(*outside).release().perform()
        self.assertTrue(self.is_shown("#story"))
        ActionChains(self.browser).move_to_element(code).move_by_offset(*outside).click().perform()
        wait(lambda: not self.is_shown("#story"), "the list")

    # --- Checks

    def test_without_checks_there_is_no_button(self):
        self.load()
        self.assertTrue(self.is_shown("#open-checks"))
        self.load(script="made.push([/^.api.checks$/, () => ({})]);")
        wait(lambda: not self.is_shown("#open-checks"), "the end of the button")

    def test_lines_of_checks_that_are_cut_are_left_out(self):
        run = {"begun": 1, "ended": 2, "code": 1, "omitted": 0, "trouble": None}
        problem = {"finding": "problem", "area": "topic", "text": "<b>small</b>", "cure": "make it larger"}
        answer = {"now": 3, "running": None,
                  "doctor": {**run, "lines": [json.dumps(problem), '{"finding":"note","ar', '{"problems":1,"notes":0}']},
                  "audit": {**run, "lines": ['{"findings":'], "trouble": json.dumps({"message": "no <i>ledger</i>"})}}
        self.load()
        self.make("/^.api.checks$/", f"() => ({json.dumps(answer)})")
        self.find("#open-checks").click()
        wait(lambda: self.texts("#doctor .findings li"), "the findings")
        self.assertEqual(len(self.texts("#doctor .findings li")), 1)
        self.assertIn("<b>small</b>", self.find("#doctor .findings li").text)
        self.assertEqual(self.find("#doctor .verdict").text, "1 problem, 0 notes")
        self.assertEqual(self.find("#audit .verdict").text, "no <i>ledger</i>")

    # --- Failures

    def test_a_topic_that_was_created_again_has_other_dead_letters(self):
        self.load()
        self.answer_failures([letter("old.png", 1)])
        self.open_failures()
        wait(lambda: self.names() == ["old.png"], "the dead letter")
        self.answer_failures([letter("new.png", 2)])
        wait(lambda: self.names() == ["new.png"], "the new one")
        self.assertIn("the reason of new.png", self.texts("ol.letters .reason"))

    def test_without_storage_the_token_is_kept_by_the_page(self):
        self.load(script="""Object.defineProperty(window, "sessionStorage", { get() { throw new DOMException("no", "SecurityError"); } });
            window.sent = [];
            made.push([/^.api.failures.replay$/, (answer, { headers }) => { sent.push(headers.Authorization); return {}; }]);""")
        self.answer_failures([letter("one.png", 1)])
        self.open_failures()
        wait(lambda: self.names() == ["one.png"], "the dead letter")
        self.find("ol.letters summary").click()
        send = self.find("ol.letters .send")
        # Its name begins with the words that are seen.
        self.assertEqual(send.get_attribute("aria-label"), f"{send.text}: one.png")
        # A person who gives no token is asked again.
        send.click()
        wait(lambda: self.is_shown("#token"), "the question for the token")
        # The browser's event for the closed dialog comes later, perhaps after it was opened again.
        self.run_script("document.querySelector('#token .cancel').click(); arguments[0].click()", send)
        self.settle()
        self.assertTrue(self.is_shown("#token"))
        self.browser.switch_to.active_element.send_keys(TOKEN, Keys.ENTER)
        wait(lambda: self.run_script("return sent") == [f"Bearer {TOKEN}"], "the request")
        send.click()
        wait(lambda: self.run_script("return sent.length") == 2, "the next one")
        self.assertFalse(self.is_shown("#token"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
