"""Shared by the browser tests: an output, the page that shows it, a browser without a window, and questions about its contents.

Needs Chromium with its driver and Selenium; Debian's packages are chromium, chromium-driver and python3-selenium. Without them
everything is skipped, with a message. TEST_PROGRAM is the program; PAGE_SHOTS is a folder for pictures of the page.
"""

import json
import os
import pathlib
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
import zlib

try:
    from selenium import webdriver
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service
except ImportError:
    print("skipped: Selenium is missing (apt-get install python3-selenium)")
    sys.exit(0)

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
if not CHROMIUM or not DRIVER:
    print("skipped: Chromium or its driver is missing (apt-get install chromium chromium-driver)")
    sys.exit(0)

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("TEST_PROGRAM", ROOT / ".build/debug/image-pipeline")).resolve()
SHOTS = os.environ.get("PAGE_SHOTS")


def png(number):
    """A small picture of its own colour."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    colour = bytes([number * 37 % 256, number * 91 % 256, number // 256 * 53 % 256])
    rows = b"".join(b"\0" + colour * 12 for _ in range(12))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 12, 12, 8, 2, 0, 0, 0))
            + chunk(b"tEXt", b"Comment\0" + str(number).encode()) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class World:
    """An output, and the page that shows it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="page-test-"))
        (self.folder / "input").mkdir()
        self.port = free_port()
        self.page = None

    def start(self, **environment):
        self.page = subprocess.Popen(
            [PROGRAM, "page"], cwd=self.folder,
            env={**os.environ, "PAGE_PORT": str(self.port), "PROCESSED_IMAGES_DIR": "out/processed_images",
                 **environment})
        wait(lambda: urllib.request.urlopen(self.address, timeout=5).status == 200, "the page answers")

    def stop(self):
        if self.page:
            self.page.terminate()
            assert self.page.wait(20) == 0
        self.page = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder)

    @property
    def address(self):
        return f"http://localhost:{self.port}/"

    def drop(self, name, content):
        path = self.folder / "input" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def transfer(self):
        """Sends what was dropped, stores it, and empties the input."""
        subprocess.run(
            [PROGRAM, "demo", "--input", "input", "--output", "out"], cwd=self.folder, check=False, stdout=subprocess.DEVNULL,
            env={**os.environ, "LOG_LEVEL": "error", "IMAGE_EXTENSIONS": "*", "SETTLE_MS": "0"})
        shutil.rmtree(self.folder / "input")
        (self.folder / "input").mkdir()

    def memory(self):
        """The resident memory of the page's server, in MB."""
        status = pathlib.Path(f"/proc/{self.page.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024


def wait(condition, what, seconds=20):
    deadline = time.monotonic() + seconds
    while True:
        try:
            result = condition()
            if result:
                return result
        except Exception as error:  # not yet
            result = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what} ({result})")
        time.sleep(0.02)


def open_browser(width=1280, height=860):
    options = Options()
    options.binary_location = CHROMIUM
    # Without motion: Selenium sees no text in a dialog that is just appearing.
    for argument in ["--headless=new", "--force-prefers-reduced-motion", "--no-sandbox", "--disable-gpu",
                     "--disable-dev-shm-usage", "--hide-scrollbars", "--enable-precise-memory-info", f"--window-size={width},{height}"]:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(DRIVER))
    resize(browser, width, height)
    return browser


def resize(browser, width, height):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700})


class BrowserTest(unittest.TestCase):
    """A class of tests with a `world`, whose page its `browser` shows. No test may leave a message in the browser's log."""

    # Parts of messages that may be there: the tests stop servers.
    expected = ["ERR_CONNECTION", "ERR_INCOMPLETE", "ERR_EMPTY_RESPONSE"]

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        cls.world.close()

    def tearDown(self):
        messages = [entry["message"] for entry in self.browser.get_log("browser")]
        self.assertEqual([m for m in messages if not any(part in m for part in self.expected)], [])

    def find(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def run_script(self, script, *arguments):
        return self.browser.execute_script(script, *arguments)

    def texts(self, selector):
        return self.run_script("return [...document.querySelectorAll(arguments[0])].map((e) => e.textContent)", selector)

    def is_shown(self, selector):
        return self.run_script("return document.querySelector(arguments[0])?.checkVisibility() ?? false", selector)

    def shot(self, name):
        if SHOTS:
            time.sleep(0.8)
            self.browser.save_screenshot(f"{SHOTS}/{name}.png")

    def ask(self, path):
        return json.load(urllib.request.urlopen(self.world.address + path, timeout=20))
