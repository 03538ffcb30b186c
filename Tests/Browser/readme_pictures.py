"""Takes the README's pictures of the page: a demo that carries the sample images for a minute, as four cameras would.

    make page-pictures
"""

import base64
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time

from browser import By, PROGRAM, ROOT, free_port, open_browser, resize, wait

SECONDS = 54
SCENES = ["harbour", "garden", "station", "bridge", "market", "coast", "alley", "tower"]
# The same pictures each time.
RANDOM = random.Random(7)


def drop(folder, number):
    """Puts one sample into the folder of a camera."""
    sample = RANDOM.choice(sorted(path for path in (ROOT / "samples").rglob("*") if path.suffix not in ("", ".md")))
    camera = folder / f"camera-{number % 4 + 1}"
    camera.mkdir(exist_ok=True)
    part = camera / f".{number}"
    shutil.copy(sample, part)
    part.rename(camera / f"{SCENES[number * 5 % 8]}-{number:03}{sample.suffix}")


def scheme(browser, name):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})


def take(browser, name):
    time.sleep(1)
    picture = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "webp", "quality": 80})
    (ROOT / "docs" / name).write_bytes(base64.b64decode(picture["data"]))
    print(f"docs/{name}: {(ROOT / 'docs' / name).stat().st_size // 1000} kB")


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="page-pictures-"))
    images, port = folder / "images", free_port()
    images.mkdir()
    demo = subprocess.Popen(
        [PROGRAM, "demo", "--page", "--input", "images", "--output", "."], cwd=folder, stdout=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "PAGE_PORT": str(port), "LOG_LEVEL": "warning"})
    browser = open_browser(1280, 800)
    try:
        def load():
            browser.get(f"http://localhost:{port}/")
            return browser.find_elements(By.CSS_SELECTOR, "#numbers .unfold")
        wait(load, "the page")
        number = 0
        for second in range(SECONDS):
            for _ in range(RANDOM.choice([1, 2, 3, 4]) if second % 20 < 14 else 0):
                drop(images, number)
                number += 1
            time.sleep(1)
        wait(lambda: browser.find_elements(By.CSS_SELECTOR, ".tile"), "the pictures")
        browser.execute_script("document.activeElement.blur()")
        take(browser, "page.webp")
        scheme(browser, "dark")
        browser.find_element(By.CSS_SELECTOR, "[aria-posinset='4'] button").click()
        wait(lambda: browser.find_elements(By.CSS_SELECTOR, "#story .shown img.loaded"), "one picture")
        browser.find_element(By.CSS_SELECTOR, "#story .verify").click()
        wait(lambda: browser.find_element(By.CSS_SELECTOR, "#story .verdict").text.startswith("Unchanged"), "the verdict")
        take(browser, "page-picture.webp")
        browser.find_element(By.CSS_SELECTOR, "#story .close").click()
        resize(browser, 390, 800)
        browser.find_element(By.CSS_SELECTOR, "#numbers .unfold").click()
        take(browser, "page-phone.webp")
    finally:
        browser.quit()
        demo.send_signal(signal.SIGINT)
        demo.wait(20)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
