"""Tests the page's numbers as a person sees them: the real program, a browser without a window, and sides that report what a test
wants. `make test-page` runs it, after page_test.py."""

import http.server
import threading
import unittest

from browser import ActionChains, BrowserTest, Keys, World, open_browser, resize, wait


class Side:
    """A producer or consumer, as far as its port tells."""

    def __init__(self, kind):
        self.kind = kind
        self.images = self.bytes = self.backlog = self.dead = 0
        self.times = [0, 0, 0]  # observations up to 0.1 s, 1 s and above
        self.reasons = self.refused = ""
        side = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = {"/metrics": side.metrics(), "/refused": side.refused}.get(self.path, side.reasons or "ok\n").encode()
                self.send_response(503 if self.path == "/readyz" and side.reasons else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def metrics(self):
        is_producer = self.kind == "producer"
        word, time = ("sent", "receipt") if is_producer else ("stored", "end_to_end")
        low, high, above = self.times
        lines = [f"images_{word}_total {self.images}", f"{word}_bytes_total {self.bytes}", f"ready {0 if self.reasons else 1}",
                 f'{time}_seconds_bucket{{le="0.1"}} {low}', f'{time}_seconds_bucket{{le="1"}} {low + high}',
                 f'{time}_seconds_bucket{{le="+Inf"}} {low + high + above}']
        lines += ([f"left_images {self.backlog}", "images_waiting_for_receipt 3"] if is_producer
                  else [f"lag_messages {self.backlog}", f'failures_total{{reason="dead_letter"}} {self.dead}'])
        return "".join(f"image_pipeline_{line}\n" for line in lines)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class NumbersTest(BrowserTest):
    """The tests share one world and run in the order of their names."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.sides = [Side("producer"), Side("consumer")]
        cls.browser = open_browser()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        cls.sides[0].stop()

    @property
    def word(self):
        return self.find(".well strong").text

    def cell(self, name):
        """The values of the strip below a name."""
        return self.run_script("""return [...document.querySelectorAll(".now div")].map((e) => [...e.children].map((c) => c.textContent))
                                  .find(([name]) => name === arguments[0])?.slice(1)""", name)

    def legend(self, chart=0):
        return self.run_script("return document.querySelectorAll('.chart')[arguments[0]].querySelector('.legend').innerText", chart)

    def when(self, chart=0):
        return self.texts(".chart .when")[chart]

    def pump(self, count=20):
        for side in self.sides:
            side.images += count
            side.bytes += count * 50_000
            side.times[1] += count

    def test_1_without_sides_one_sentence_says_what_to_set(self):
        self.world.start()
        self.browser.get(self.world.address)
        wait(lambda: "PAGE_SIDES" in self.find(".well").text, "the sentence")
        self.assertFalse(self.is_shown(".now") or self.is_shown(".unfold") or self.is_shown("#charts"))
        self.world.stop()

    def test_2_numbers_appear_and_move(self):
        names = ",".join(f"{host}:{side.port}" for host, side in zip(["127.0.0.1", "localhost"], self.sides))
        self.world.start(PAGE_SIDES=names)
        self.browser.refresh()
        wait(lambda: self.word == "Idle", "the state")
        self.assertEqual(self.cell("Stored"), ["0/s", "0 MB/s"])
        self.assertEqual(self.cell("No receipt yet"), ["3", "images"])
        self.pump()
        wait(lambda: self.word == "Flowing" and self.cell("Sent")[0] not in ("0/s", "–"), "the rates")
        wait(lambda: self.cell("File to stored")[0] not in ("–",), "the times")
        self.sides[1].dead += 2
        wait(lambda: self.cell("Dead letters")[0] == "2", "the dead letters")
        wait(lambda: self.word == "Idle", "the end of it", 30)
        self.shot("10-numbers")

    def test_3_charts_have_values_by_pointer_and_by_keyboard(self):
        self.find(".unfold").click()
        wait(lambda: self.is_shown("#charts") and self.when() == "now", "the charts")
        self.assertEqual(self.find(".unfold").get_attribute("aria-expanded"), "true")
        self.assertIn("20 images (1.0 MB) sent, 20 images (1.0 MB) stored", self.find(".asked").text)
        self.pump(40)
        wait(lambda: self.legend() != "sent 0/s\nstored 0/s" and "unknown" not in self.legend(), "the values of now")
        plot = self.find(".plot")
        width = plot.size["width"]
        ActionChains(self.browser).move_to_element_with_offset(plot, width // 2 - 4, 0).perform()
        wait(lambda: self.when() != "now", "the values of a moment")
        # All charts show the same moment.
        self.assertEqual(len(set(self.texts(".chart .when"))), 1)
        ActionChains(self.browser).move_to_element(self.find("h1")).perform()
        wait(lambda: self.when() == "now", "the values of now")
        self.run_script("document.querySelector('.plot').focus()")
        told = "return document.activeElement.getAttribute('aria-valuetext')"
        self.assertRegex(self.run_script(told), r"^now, sent [\d.]+/s, stored [\d.]+/s$")
        # What a screen reader announces changes with keys only.
        before = (self.run_script(told), self.legend())
        self.pump(400)
        wait(lambda: self.legend() != before[1], "other values")
        self.assertEqual(self.run_script(told), before[0])
        # Right after the jump: without Shift, ten seconds are one step.
        self.browser.switch_to.active_element.send_keys(Keys.HOME)
        first = self.run_script(told)
        self.assertNotRegex(first, "^now")
        self.browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
        self.assertNotEqual(self.run_script(told), first)
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.assertRegex(self.run_script(told), "^now")
        summary = self.run_script("return document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent")
        self.assertRegex(summary, r"sent: between 0/s and [\d.]+/s in the last")

    def test_4_a_reload_shows_the_past(self):
        path = "return document.querySelector('.plot path.line:not(.dashed)').getAttribute('d')"
        before = self.run_script(path)
        self.browser.refresh()
        # The charts stay open.
        wait(lambda: self.is_shown("#charts") and len(self.run_script(path) or "") > 60, "the past")
        self.assertGreaterEqual(len(self.run_script(path).split("L")), len(before.split("L")) - 1)
        self.assertGreater(len(self.ask("api/numbers")["series"]["in"]), 5)
        self.shot("11-charts")

    def test_5_it_is_behind_when_more_waits_than_is_stored(self):
        self.sides[1].backlog = 4_321
        wait(lambda: self.word == "Behind", "the state", 40)
        self.assertIn("4,321 messages not stored", self.find(".well").text)
        self.assertIn("nothing is stored now", self.find(".well").text)
        self.sides[1].backlog = 0
        wait(lambda: self.word == "Idle", "the end of it", 40)

    def test_6_what_is_wrong_is_told_in_the_sides_words_which_are_only_words(self):
        self.sides[0].reasons = "broker: <img src=x onerror=\"window.owned = 1\">\nledger: \u202egone\n" + "x" * 5_000
        wait(lambda: self.word == "Something is wrong", "the state", 30)
        said = self.texts(".troubles p")
        self.assertEqual(len(said), 1)
        self.assertTrue(said[0].startswith(f"producer at 127.0.0.1:{self.sides[0].port}: broker: <img src=x onerror="), said)
        self.assertIn("⟨U+202E⟩gone", said[0])
        self.assertLess(len(said[0]), 1_000)
        self.assertIsNone(self.run_script("return window.owned ?? document.querySelector('.troubles img')"))
        self.shot("12-trouble")
        self.sides[0].reasons = ""
        wait(lambda: self.texts(".troubles p") == [], "the end of it", 30)

    def test_6b_files_that_cannot_be_sent_are_listed_with_the_reason(self):
        self.sides[0].refused = ('{"image":"<b>large</b>.jpg","reason":"too large: lower SEGMENT_BYTES","time":1}\n'
                                 'not JSON <i>\nnull\n{"image":7}\n{"image":{"toString":1,"valueOf":1}}\n')
        wait(lambda: self.find("#show-failures").is_displayed(), "the button")
        self.find("#show-failures").click()
        wait(lambda: "Files that cannot be sent" in self.texts("#failures h3"), "the files", 30)
        shown = self.texts("#failures section li")
        self.assertEqual(len(shown), 5)
        self.assertIn("<b>large</b>.jpg", shown[0])
        self.assertIn("too large: lower SEGMENT_BYTES", shown[0])
        self.assertIn("not JSON <i>", shown[1])
        self.assertIn("without a name", shown[4])
        self.shot("12b-refused")
        self.sides[0].refused = ""
        wait(lambda: "Files that cannot be sent" not in self.texts("#failures h3"), "the end of it", 30)
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        wait(lambda: not self.is_shown("#failures"), "the list")

    def test_7_a_side_that_goes_away_is_named(self):
        self.sides[1].stop()
        name = f"consumer at localhost:{self.sides[1].port}: no answer"
        wait(lambda: any(said.startswith(name) for said in self.texts(".troubles p")), "its name", 30)
        wait(lambda: self.cell("Stored") == ["–", "–"], "a gap")

    def test_8_a_phone_shows_all_of_it(self):
        resize(self.browser, 390, 844)
        try:
            self.browser.refresh()
            wait(lambda: self.is_shown("#charts"), "the charts")
            self.assertLessEqual(self.run_script("return document.documentElement.scrollWidth"), 390)
            self.shot("13-phone-charts")
            self.find(".unfold").click()
            self.assertLess(self.run_script("return document.querySelector('.head').offsetHeight"
                                            " + document.querySelector('.now').offsetHeight"), 230)
            self.shot("14-phone-numbers")
        finally:
            resize(self.browser, 1280, 860)

    def test_9_a_server_that_is_away_is_told(self):
        self.world.stop()
        wait(lambda: self.word == "Not connected", "the notice")


if __name__ == "__main__":
    unittest.main(verbosity=2)
