"""Looks for obstacles to people who use a keyboard, a screen reader or high contrast, in every state of the page, with axe-core
(https://github.com/dequelabs/axe-core). `make test-page` runs it, after the others.

AXE is the path of axe.min.js, which several packages of PyPI contain: pip download --no-deps axe-playwright-python"""

import os
import pathlib
import sys
import unittest

from browser import BrowserTest, World, open_browser, png, resize, wait

AXE = pathlib.Path(os.environ.get("AXE") or "absent")
if not AXE.is_file():
    print("skipped: AXE is not the path of an axe.min.js")
    sys.exit(0)


class AccessibilityTest(BrowserTest):
    """The tests share one world and run in the order of their names."""

    # A picture that is gone.
    expected = [*BrowserTest.expected, "status of 404"]

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.world.start(PAGE_SIDES="127.0.0.1:1", PAGE_TOKEN="0123456789abcdef", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
        cls.browser = open_browser()
        cls.browser.get(cls.world.address)
        cls.browser.set_script_timeout(60)

    def inspect(self, state):
        """Fails with what axe finds, in both colour schemes and at a phone's width."""
        found = []
        for scheme, width in [("light", 1280), ("dark", 1280), ("light", 390)]:
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
                {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]})
            resize(self.browser, width, 860)
            if not self.run_script("return Boolean(window.axe)"):
                self.browser.execute_script(AXE.read_text())
            result = self.browser.execute_async_script(
                "const done = arguments[0]; axe.run(document).then(done, (error) => done({ error: String(error) }))")
            self.assertNotIn("error", result)
            self.assertGreater(len(result["passes"]), 10, "axe has looked at the page")
            for violation in result["violations"]:
                for node in violation["nodes"]:
                    found.append(f"{state}, {scheme}, {width}: {violation['id']}: {node['html'][:160]} {node['failureSummary']}")
        resize(self.browser, 1280, 860)
        self.assertEqual(found, [], "\n".join(found))

    def test_1_no_picture_yet(self):
        wait(lambda: self.is_shown("#empty"), "the empty state")
        self.inspect("empty")

    def test_2_pictures(self):
        for number in range(30):
            self.world.drop(f"label-{number % 3}/picture {number}.png", png(number))
        self.world.drop("unknown.tif", b"II*\0 and so on")
        self.world.transfer()
        wait(lambda: len(self.texts(".tile")) > 20, "the tiles")
        self.inspect("pictures")
        self.find("#numbers .unfold").click()
        wait(lambda: self.is_shown("#charts"), "the charts")
        self.inspect("charts")
        self.find("#numbers .unfold").click()

    def test_3_one_picture(self):
        self.find("[aria-posinset='2'] button").click()
        wait(lambda: "SHA-256" in self.texts("#story dt"), "the facts")
        self.find("#story .verify").click()
        wait(lambda: self.find("#story .verdict").text.startswith("Unchanged"), "the verdict")
        self.inspect("story")
        self.run_script("location.hash = 'picture=999999'")
        wait(lambda: self.find("#story .verdict").text == "The output does not have it.", "the reason")
        self.inspect("a picture that is gone")
        self.find("#story .close").click()
        wait(lambda: not self.is_shown("#story"), "the list")

    def test_4_checks(self):
        self.find("#open-checks").click()
        self.find("#doctor .run").click()
        wait(lambda: self.find("#doctor .run").text == "Run again", "the findings", 90)
        self.inspect("checks")
        self.find("#checks .close").click()
        wait(lambda: not self.is_shown("#checks"), "the list")

    def test_5_failures(self):
        self.find("#show-failures").click()
        wait(lambda: self.is_shown("#failures"), "the failures")
        self.inspect("failures")


if __name__ == "__main__":
    unittest.main(verbosity=2)
