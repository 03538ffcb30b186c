"""Tests the failures of the page as a person uses them: a real producer and consumer, a broker, and a browser without a window.

    make test-page

Needs what browser.py needs. EMBEDDED_BROKER is the program EmbeddedBroker.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import urllib.request

from browser import BrowserTest, By, Keys, PROGRAM, ROOT, free_port, open_browser, png, resize, wait

BROKER = pathlib.Path(os.environ.get("EMBEDDED_BROKER", ROOT / ".build/debug/EmbeddedBroker")).resolve()
TOKEN = "correct-horse-battery"
HOSTILE = "<img src=x onerror=window.owned=1>"


class World:
    """A broker, an output in which a file is in an image's way, and the page over it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="failures-test-"))
        self.broker = subprocess.Popen(
            [BROKER, "images", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = free_port()
        self.environment = {
            **os.environ, "KAFKA_BOOTSTRAP_SERVERS": self.broker.stdout.readline().strip(), "TOPIC": "images",
            "PAGE_PORT": str(self.port), "STATE_DIR": "state", "IMAGES_DIR": "input", "PROCESSED_IMAGES_DIR": "out",
            "KAFKA_FETCH_WAIT_MAX_MS": "20", "SETTLE_MS": "0", "LOG_LEVEL": "warning"}
        for name in ["input/cat", "out/.image-pipeline/dead-letters", "state"]:
            (self.folder / name).mkdir(parents=True)
        self.page = None

    def start(self, token=TOKEN):
        environment = {**self.environment, **({"PAGE_TOKEN": token} if token else {})}
        self.page = subprocess.Popen([PROGRAM, "page"], cwd=self.folder, env=environment)
        wait(lambda: urllib.request.urlopen(self.address, timeout=5).status == 200, "the page answers")

    def stop(self):
        self.page.terminate()
        assert self.page.wait(30) == 0

    def close(self):
        self.stop()
        self.broker.send_signal(signal.SIGCONT)
        self.broker.stdin.close()
        self.broker.wait(10)
        shutil.rmtree(self.folder)

    @property
    def address(self):
        return f"http://localhost:{self.port}/"

    def run(self, *arguments):
        return subprocess.run([PROGRAM, *arguments], cwd=self.folder, env=self.environment, check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout

    def store(self):
        self.run("consumer", "--until-idle", "1")

    def transfer(self, dead):
        """Sends what is in the input, and waits until the producer knows about its dead letters."""
        producer = subprocess.Popen([PROGRAM, "producer"], cwd=self.folder, env=self.environment)
        self.store()
        wait(lambda: f'"dead_letter":{dead}' in self.run("status", "--json"), "the producer knows", 40)
        producer.terminate()
        producer.wait(30)

    def memory(self):
        status = pathlib.Path(f"/proc/{self.page.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


class FailuresTest(BrowserTest):
    """The tests share one world and run in the order of their names, as a person's session does."""

    @classmethod
    def setUpClass(cls):
        cls.world = World()
        folder = cls.world.folder
        (folder / "input/cat/1.png").write_bytes(png(1))
        (folder / "input/cat" / f"{HOSTILE}.png").write_bytes(png(2))
        (folder / "input/good.png").write_bytes(png(3))
        (folder / "out/cat").write_bytes(b"a file is in the folder's way")
        cls.world.transfer(2)
        value = b"<script>window.owned = 1</script>\n\0\xff"
        (folder / "out/.image-pipeline/dead-letters/hostile.letter").write_bytes(
            b"image-pipeline dead letter 1\nwritten: 2026-11-23T23:31:16.123Z\nbecause: x\nkey: %E2%80%AEgnp.exe\n"
            b"header: <b>bold</b>: <svg onload=window.owned=1>\nheader: binary: %FF%00\nheader: none\n"
            b"header: __connect.errors.topic: images\nheader: __connect.errors.partition: 0\n"
            b"header: __connect.errors.offset: 77\nheader: __connect.errors.exception.class.name: EnvelopeError\n"
            b"header: __connect.errors.exception.message: <script>window.owned=1</script>\n"
            + f"value: {len(value)} bytes\n\n".encode() + value)
        cls.world.start()
        cls.browser = open_browser()
        cls.browser.get(cls.world.address)

    # A browser reports each answer that is an error.
    expected = ["ERR_CONNECTION", "401"]

    def tearDown(self):
        super().tearDown()
        self.assertIsNone(self.run_script("return window.owned ?? null"))

    def open(self):
        wait(lambda: self.is_shown("#show-failures"), "the button")
        self.find("#show-failures").click()
        wait(lambda: self.is_shown("#failures"), "the dialog")

    def item(self, name):
        return next(item for item in self.browser.find_elements(By.CSS_SELECTOR, "ol.letters > li")
                    if item.find_element(By.CSS_SELECTOR, ".name").text == name)

    def test_01_failures_are_listed_with_reason_and_fix(self):
        wait(lambda: self.find("#show-failures span").text == "3", "the number of what is known without Kafka")
        self.open()
        wait(lambda: len(self.texts("ol.letters > li")) == 3, "the dead letters")
        wait(lambda: "3 dead letters wait." in self.find("#failures .status").text, "their number")
        one = self.item("cat/1.png")
        self.assertIn("NameRefusal", one.text)
        images = self.texts("ul.letters > li")
        self.assertEqual(len(images), 2)
        self.assertIn("cat/1.png", images[0] + images[1])
        self.assertIn("What to do: Rename the image", images[0])
        self.shot("f1-list")

    def test_02_the_message_is_shown(self):
        one = self.item("cat/1.png")
        one.find_element(By.TAG_NAME, "summary").click()
        wait(lambda: one.find_elements(By.CSS_SELECTOR, ".raw dl"), "the message")
        headers = one.find_element(By.CSS_SELECTOR, ".raw dl").text
        for part in ["Key", "cat/1.png", "__connect.errors.exception.class.name", "NameRefusal", "image-length"]:
            self.assertIn(part, headers)
        self.assertIn('{"image_name":', one.find_element(By.CSS_SELECTOR, ".raw > pre").text)
        self.assertIn("What to do:", one.text)
        one.find_element(By.CSS_SELECTOR, ".raw summary").click()
        self.assertIn("0000  7b 22 69 6d 61 67 65", one.find_element(By.CSS_SELECTOR, ".raw details pre").text)
        self.shot("f2-message")

    def test_03_strangers_texts_are_only_texts(self):
        name = next(n for n in self.texts("ol.letters .name") if "gnp" in n)
        self.assertEqual(name, "⟨U+202E⟩gnp.exe")
        item = self.item(name)
        item.find_element(By.TAG_NAME, "summary").click()
        wait(lambda: item.find_elements(By.CSS_SELECTOR, ".raw dl"), "the message")
        text = item.text
        for part in ["<b>bold</b>", "<svg onload=window.owned=1>", "null", "<script>window.owned = 1</script>", "⟨U+0000⟩"]:
            self.assertIn(part, text)
        self.assertIn(f"cat/{HOSTILE}.png", self.texts("ol.letters .name"))
        self.assertEqual(self.texts("#failures script, #failures img, #failures svg"), [])
        item.find_element(By.TAG_NAME, "summary").click()

    def test_04_one_is_sent_back_with_the_token(self):
        (self.world.folder / "out/cat").unlink()
        one = self.item("cat/1.png")
        one.find_element(By.CSS_SELECTOR, ".send").click()
        wait(lambda: self.is_shown("#token"), "the question for the token")
        self.browser.switch_to.active_element.send_keys("wrong-horse-battery", Keys.ENTER)
        wait(lambda: "this is not the token" in self.find("#token").text, "the refusal")
        self.shot("f3-token")
        self.browser.switch_to.active_element.send_keys(TOKEN, Keys.ENTER)
        wait(lambda: not self.is_shown("#token"), "the end of the question")
        wait(lambda: "Sent back: 1 dead letter." in self.find("#failures .verdict").text, "the outcome", 40)
        wait(lambda: "sent back" in self.item("cat/1.png").text, "the mark")
        self.assertFalse(self.item("cat/1.png").find_element(By.CSS_SELECTOR, ".send").is_displayed())
        self.shot("f4-sent")
        self.assertNotIn(TOKEN, self.run_script("return JSON.stringify(localStorage) + document.cookie"))
        self.assertIn(TOKEN, self.run_script("return JSON.stringify(sessionStorage)"))
        self.world.store()
        self.assertEqual((self.world.folder / "out/cat/1.png").read_bytes(), png(1))

    def test_05_all_are_sent_back(self):
        next(b for b in self.browser.find_elements(By.CSS_SELECTOR, "#failures button") if b.text == "Send all back").click()
        wait(lambda: "Sent back: 2 dead letters." in self.find("#failures .verdict").text, "the outcome", 40)
        wait(lambda: "No dead letter waits" in self.find("#failures .status").text, "nothing waits")
        self.assertFalse(self.is_shown("#token"))
        self.world.store()
        self.assertTrue((self.world.folder / "out/cat" / f"{HOSTILE}.png").exists())
        # The one from disk is no image, and comes back as a dead letter of the topic.
        wait(lambda: "1 dead letter waits" in self.find("#failures .status").text, "the new one")

    def test_06_a_broker_that_is_gone_comes_back(self):
        self.world.broker.send_signal(signal.SIGSTOP)
        wait(lambda: "Kafka cannot be asked: no answer from Kafka at" in self.find("#failures .trouble").text, "the notice", 40)
        self.assertGreater(len(self.texts("ol.letters > li")), 0)
        self.shot("f5-gone")
        # The rest of the page does not wait.
        start = time.monotonic()
        urllib.request.urlopen(self.world.address + "api/pictures", timeout=5)
        self.assertLess(time.monotonic() - start, 1)
        self.world.broker.send_signal(signal.SIGCONT)
        wait(lambda: not self.is_shown("#failures .trouble"), "the end of the notice", 40)

    def test_07_the_keyboard_is_enough(self):
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        wait(lambda: not self.is_shown("#failures"), "the page")
        self.assertEqual(self.run_script("return document.activeElement.id"), "show-failures")
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)
        wait(lambda: self.is_shown("#failures"), "the dialog")
        wait(lambda: len(self.texts("ol.letters > li")) > 0, "the dead letters")
        for _ in range(12):
            if self.run_script("return document.activeElement.matches('ol.letters summary')"):
                break
            self.browser.switch_to.active_element.send_keys(Keys.TAB)
        self.browser.switch_to.active_element.send_keys(Keys.ENTER)
        wait(lambda: self.is_shown("ol.letters details[open] .raw dl"), "the message")
        # It stays open, and has the focus, while the list is read again.
        focused = self.run_script("window.focused = document.activeElement; return focused.textContent")
        self.run_script("performance.clearResourceTimings()")
        wait(lambda: self.run_script("return performance.getEntriesByType('resource').filter((e) => e.name.includes('/api/failures?')).length")
             > 1, "the list twice")
        self.assertTrue(self.run_script("return document.activeElement === window.focused"), focused)
        self.assertTrue(self.is_shown("ol.letters details[open] .raw dl"))

    def test_08_a_phone_and_the_dark_show_everything(self):
        resize(self.browser, 390, 844)
        try:
            self.assertLessEqual(self.run_script("return document.querySelector('#failures').scrollWidth"), 390)
            self.shot("f6-phone")
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
                "features": [{"name": "prefers-color-scheme", "value": "dark"}]})
            self.shot("f7-phone-dark")
            resize(self.browser, 1280, 860)
            self.shot("f8-dark")
        finally:
            resize(self.browser, 1280, 860)
            self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        self.browser.switch_to.active_element.send_keys(Keys.ESCAPE)
        self.shot("f9-header")

    def test_09_without_a_token_the_page_is_read_only(self):
        print(f"failures: {self.world.memory():.0f} MB in the server")
        self.assertLess(self.world.memory(), 64)
        self.world.stop()
        self.world.start(token=None)
        self.browser.refresh()
        self.open()
        wait(lambda: len(self.texts("ol.letters > li")) > 0, "the dead letters")
        wait(lambda: "The page is read-only." in self.find("#failures").text, "the note")
        self.assertIn("PAGE_TOKEN", self.find("#failures").text)
        self.assertFalse(any(b.is_displayed() and "back" in b.text
                             for b in self.browser.find_elements(By.CSS_SELECTOR, "#failures button")))
        self.shot("f10-read-only")


if __name__ == "__main__":
    unittest.main(verbosity=2)
