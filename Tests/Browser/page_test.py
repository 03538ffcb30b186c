"""Tests the page as a person uses it: the real program, real files, and a browser without a window. `make test-page` runs it."""

import shutil
import socket
import time
import unittest

from browser import BrowserTest, By, Keys, ROOT, World, open_browser, png, resize, wait

MANY = 10_000


class PageTest(BrowserTest):
    """The tests share one world and run in the order of their names, as a person's session does."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.world.start()
        cls.browser = open_browser()
        cls.browser.get(cls.world.address)

    def top(self):
        self.run_script("scrollTo(0, 0)")
        wait(lambda: self.run_script("return scrollY") == 0, "the top")

    def first_name(self):
        return self.run_script("return document.querySelector('[aria-posinset=\"1\"] .name')?.textContent")

    def watch(self, leaf):
        """Notes when a tile with this name appears."""
        self.run_script("""
            window.appeared = null;
            const look = () => {
              for (const name of document.querySelectorAll(".tile .name")) {
                if (name.textContent === arguments[0]) { window.appeared = Date.now(); return; }
              }
              requestAnimationFrame(look);
            };
            look();""", leaf)

    def arrival(self, name):
        """The time from the moment when a picture was stored until it was shown, in ms."""
        appeared = wait(lambda: self.run_script("return window.appeared"), f"{name} appears")
        return appeared - next(p["stored"] for p in self.ask("api/pictures")["pictures"] if p["name"] == name)

    def test_01_an_empty_page_says_where_to_drop_the_first_picture(self):
        wait(lambda: self.is_shown("#empty"), "the empty state")
        wait(lambda: self.find("#live").text == "Live", "the stream")
        self.assertEqual(self.find("#input").text, "images")
        self.shot("1-empty")

    def test_02_the_first_picture_is_welcomed(self):
        self.world.drop("landscape/dusk.jpg", (ROOT / "samples/landscape/dusk.jpg").read_bytes())
        self.watch("dusk.jpg")
        self.world.transfer()
        self.assertLess(self.arrival("landscape/dusk.jpg"), 1_000)
        wait(lambda: self.is_shown("#first"), "the welcome")
        self.assertFalse(self.is_shown("#empty"))
        self.assertIn("dusk.jpg", self.find("#first-note").text)
        self.shot("2-first")

    def test_03_a_picture_arrives_live(self):
        self.world.drop("balloons.jpg", (ROOT / "samples/balloons.jpg").read_bytes())
        self.watch("balloons.jpg")
        self.world.transfer()
        took = self.arrival("balloons.jpg")
        print(f"a picture is shown {took} ms after it was stored")
        self.assertLess(took, 1_000)
        self.assertEqual(self.first_name(), "balloons.jpg")

    def test_04_formats_that_browsers_cannot_show_have_a_placeholder(self):
        self.world.drop("scan.tif", b"II*\0\x08\0\0\0\0\0\0\0" + b"\0" * 100)
        self.world.drop("lies.jpg", b"<!doctype html><script>document.title = 'owned'</script>")
        self.watch("scan.tif")
        self.world.transfer()
        wait(lambda: self.run_script("return window.appeared"), "the placeholder")
        wait(lambda: {"TIFF", "Unknown format"} <= set(self.texts(".placeholder b")), "both placeholders")

    def test_05_the_samples_and_many_pictures_are_scrolled_through(self):
        for path in sorted((ROOT / "samples").rglob("*")):
            if path.is_file() and path.suffix != ".md":
                self.world.drop(str(path.relative_to(ROOT / "samples")), path.read_bytes())
        self.world.transfer()
        wait(lambda: len(self.texts(".tile")) >= 14, "the samples")
        self.shot("3-grid")
        for number in range(MANY):
            self.world.drop(f"many/{number:05}.png", png(number))
        self.world.transfer()
        total = self.ask("api/pictures?limit=1")["catalog"]["newest"]
        self.assertGreaterEqual(total, MANY)
        self.browser.refresh()
        most = 0
        steps = 0
        while not self.texts("#foot span")[0].startswith("That is all"):
            self.run_script("scrollBy(0, innerHeight * 4)")
            time.sleep(0.03)
            most = max(most, self.run_script("return document.querySelectorAll('.tile').length"))
            steps += 1
            self.assertLess(steps, 4_000)
        self.assertIn(f"{total:,}", self.texts("#foot span")[0])
        self.assertLess(most, 200)
        self.run_script("scrollTo(0, document.body.scrollHeight)")
        wait(lambda: "dusk.jpg" in self.texts(".tile .name"), "the oldest picture")
        heap = self.run_script("return performance.memory.usedJSHeapSize") / 1e6
        print(f"{total} pictures: at most {most} tiles, {heap:.0f} MB in the script, {self.world.memory():.0f} MB in the server")
        self.assertLess(self.world.memory(), 64)
        # Back at the beginning everything is there, although it was dropped from memory.
        self.run_script("scrollTo(0, document.body.scrollHeight / 2)")
        wait(lambda: self.texts(".tile.waiting") == [] and len(self.texts(".tile")) > 10, "the middle")
        self.top()
        wait(lambda: self.texts(".tile.waiting") == [] and self.first_name(), "the beginning")

    def test_06_nothing_moves_while_something_is_looked_at(self):
        self.run_script("scrollTo(0, 3000)")
        wait(lambda: self.texts(".tile.waiting") == [] and len(self.texts(".tile")) > 10, "the tiles")
        place = """return [...document.querySelectorAll(".tile")].map((t) => [t.textContent.slice(0, 9),
                   Math.round(t.getBoundingClientRect().top)]).filter(([, y]) => y > 0 && y < innerHeight)"""
        # Tiles above may still change their height.
        next_frame = "requestAnimationFrame(() => requestAnimationFrame(arguments[0]))"
        before = wait(lambda: (now := self.run_script(place), self.browser.execute_async_script(next_frame)) and now == self.run_script(place)
                      and now, "tiles that rest")
        self.world.drop("late.png", png(77_777))
        self.world.transfer()
        wait(lambda: self.find("#fresh").text == "1 new", "the button")
        self.assertEqual(self.run_script(place), before)
        self.shot("4-new")
        self.find("#fresh").click()
        wait(lambda: self.first_name() == "late.png", "the new picture")
        self.assertEqual(self.run_script("return scrollY"), 0)

    def test_07_a_search_finds_names_and_labels(self):
        self.browser.find_element(By.TAG_NAME, "body").send_keys("/")
        self.browser.switch_to.active_element.send_keys("DUSK")
        wait(lambda: self.texts(".tile .name") == ["dusk.jpg"], "one match")
        self.assertIn("q=DUSK", self.browser.current_url)
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        wait(lambda: len(self.texts(".tile")) > 10, "all pictures")
        wait(lambda: "shapes" in self.texts("#label option"), "the labels")
        self.run_script("""const label = document.querySelector("#label"); label.value = "shapes";
                           label.dispatchEvent(new Event("change"))""")
        wait(lambda: set(self.texts(".tile .tag")) == {"shapes"}, "the label's pictures")
        self.find("#search").send_keys("no such name")
        wait(lambda: self.is_shown("#nothing"), "no match")
        self.find("#clear").click()
        wait(lambda: len(self.texts(".tile")) > 10, "all pictures")

    def test_08_one_picture_is_examined(self):
        self.find("#search").send_keys("balloons")
        wait(lambda: self.texts(".tile .name") == ["balloons.jpg"], "the picture")
        self.find(".tile button").click()
        wait(lambda: "SHA-256" in self.texts("#story dt"), "the facts")
        wait(lambda: "This is the only one." in self.texts("#story .versions span"), "the versions")
        self.find(".verify").click()
        wait(lambda: self.find(".verdict").get_attribute("data-kind") == "good", "the verdict")
        self.shot("5-story")
        path = self.world.folder / "out/processed_images/balloons.jpg"
        altered = bytearray(path.read_bytes())
        altered[-100] ^= 1
        path.write_bytes(altered)
        self.find(".verify").click()
        wait(lambda: self.find(".verdict").text.startswith("ALTERED"), "the other verdict")
        self.shot("6-altered")

    def test_09_a_reload_shows_the_same(self):
        self.browser.refresh()
        wait(lambda: self.is_shown("#story") and self.texts("#story-name") == ["balloons.jpg"], "the picture")
        self.assertEqual(self.find("#search").get_attribute("value"), "balloons")
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        wait(lambda: not self.is_shown("#story"), "the list")
        self.find("#search").clear()
        self.find("#search").send_keys("d")
        self.find("#search").send_keys(Keys.ESCAPE)
        wait(lambda: len(self.texts(".tile")) > 10, "all pictures")

    def test_10_the_keyboard_is_enough(self):
        self.run_script("document.querySelector('#search').focus()")
        self.browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
        focused = "return document.activeElement.closest('.tile')?.getAttribute('aria-posinset')"
        wait(lambda: self.run_script(focused) == "1", "the first picture")
        for _ in range(40):
            self.browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
        index = int(self.run_script(focused))
        self.assertGreater(index, 160)
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)
        wait(lambda: self.is_shown("#story"), "the picture")
        name = self.texts("#story-name")[0]
        self.browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        wait(lambda: self.texts("#story-name")[0] != name, "the next one")
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        wait(lambda: self.run_script(focused) == str(index + 1), "its place in the list")
        self.top()

    def test_11_hostile_names_are_only_names(self):
        names = ["<img src=x onerror=\"window.owned=1\">.png", "\"><svg onload=window.owned=1>.png", "a\nb.png",
                 "\u202egnp.exe.png", "写真 猫.png", "кошка.png", "صورة.png", "{{7*7}}.png", "&amp;.png", "x" * 240 + ".png"]
        for number, name in enumerate(names):
            self.world.drop(f"<b>bold/{name}" if number % 2 else name, png(90_000 + number))
        self.browser.execute_script("document.activeElement.blur()")
        self.top()
        self.world.transfer()
        wait(lambda: "&amp;.png" in self.texts(".tile .name"), "the names")
        shown = self.texts(".tile .name")
        self.assertIn(names[0], shown)
        self.assertIn("a⟨U+000A⟩b.png", shown)
        self.assertIn("⟨U+202E⟩gnp.exe.png", shown)
        self.assertEqual(self.texts(".tile b, .tile svg"), [])
        self.shot("7-hostile")
        for index in range(1, 4):
            self.find(f"[aria-posinset='{index}'] button").click()
            wait(lambda: "SHA-256" in self.texts("#story dt"), "the facts")
            self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
            # The address follows a moment after the picture has been closed.
            wait(lambda: not self.is_shown("#story") and "picture=" not in self.browser.current_url, "the list")
        self.assertIsNone(self.run_script("return window.owned ?? null"))

    def test_12_a_phone_shows_everything(self):
        resize(self.browser, 390, 844)
        try:
            self.browser.refresh()
            wait(lambda: len(self.texts(".tile")) > 10, "the tiles")
            self.assertLessEqual(self.run_script("return document.documentElement.scrollWidth"), 390)
            # The browser may have gone back to where it was.
            self.top()
            self.shot("8-phone")
            self.find("[aria-posinset='1'] button").click()
            wait(lambda: "SHA-256" in self.texts("#story dt"), "the facts")
            self.assertLessEqual(self.run_script("return document.querySelector('#story').scrollWidth"), 390)
            self.shot("9-phone-story")
            # The back button of a phone closes it.
            self.browser.back()
            wait(lambda: not self.is_shown("#story"), "the list")
        finally:
            resize(self.browser, 1280, 860)

    def test_13_a_server_that_comes_back_is_found(self):
        self.browser.refresh()
        wait(lambda: self.find("#live").text == "Live", "the stream")
        self.world.stop()
        wait(lambda: self.find("#live").text == "Reconnecting …", "the notice")
        self.world.drop("meanwhile.png", png(95_000))
        self.world.transfer()
        self.world.start()
        wait(lambda: self.find("#live").text == "Live", "the stream", 30)
        wait(lambda: self.first_name() == "meanwhile.png", "what was missed")

    def test_14_another_output_is_shown_afresh(self):
        shutil.rmtree(self.world.folder / "out")
        wait(lambda: self.is_shown("#empty"), "the empty state")
        self.world.drop("again.png", png(96_000))
        self.world.transfer()
        wait(lambda: self.first_name() == "again.png", "the new output's picture")

    def test_15_fifty_streams_are_served(self):
        sockets = []
        for _ in range(50):
            client = socket.create_connection(("127.0.0.1", self.world.port))
            client.sendall(b"GET /events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            sockets.append(client)
        for client in sockets:
            client.settimeout(10)
            self.assertIn(b"200 OK", client.recv(4096))
        print(f"50 streams: {self.world.memory():.0f} MB in the server")
        self.assertLess(self.world.memory(), 64)
        for client in sockets:
            client.close()


if __name__ == "__main__":
    unittest.main(verbosity=2)
