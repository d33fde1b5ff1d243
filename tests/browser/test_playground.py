"""The playground as a student plays with it."""

import io
import time

from PIL import Image
from test_lab import shoot

STATUS = "[role=status]"


def curve(page):
    """Return the drawing of the first chart."""
    return page.page.locator(".play-chart").first.inner_html()


def wait_until(true, seconds):
    """Wait until true() and return how long that took; fails after so many seconds."""
    start = time.perf_counter()
    while not true():
        assert time.perf_counter() - start < seconds, f"not within {seconds} s"
        time.sleep(0.01)
    return time.perf_counter() - start


def press(page, name):
    """Press a button of a panel, by keyboard."""
    page.page.locator(".jp-OutputArea").get_by_role("button", name=name, exact=True).first.press("Enter")


def picture(size=(300, 200), kind="PNG"):
    stream = io.BytesIO()
    Image.effect_noise(size, 90).convert("RGB").save(stream, kind)
    return stream.getvalue()


def test_train_live(page, record_property):
    """A moved λ draws a new curve at once, stop stops, a pinned run stays; by keyboard alone."""
    page.open("notebooks/playground.ipynb")
    page.run_until("live = Live(data)")
    status = page.page.locator(STATUS).first
    wait_until(lambda: "Update 800 of 800" in status.inner_text(), 300)

    page.page.keyboard.press("Escape")
    before = curve(page)
    page.page.locator(".widget-hslider", has_text="λ").first.get_by_role("slider").focus()
    page.page.keyboard.press("ArrowRight")
    changed = wait_until(lambda: curve(page) != before and "Update 0 of" not in status.inner_text(), 2)
    ended = wait_until(lambda: "Update 800 of 800" in status.inner_text(), 120)
    assert "l2=0.0063" in status.inner_text()
    print(f"curve after {changed:.2f} s, run after {changed + ended:.2f} s")
    record_property("seconds from a moved λ to a changed curve", round(changed, 2))

    press(page, "Pin")
    wait_until(lambda: "#e2701e" in curve(page), 2)
    press(page, "Other seed")
    wait_until(lambda: "seed=1" in status.inner_text() and "Update 800 of 800" in status.inner_text(), 120)
    page.page.wait_for_selector("text=(pinned)")
    shoot(page, "playground")

    page.page.locator(".widget-hslider", has_text="Cycles").get_by_role("slider").press("End")
    wait_until(lambda: "of 2400" in status.inner_text(), 5)
    press(page, "Stop")
    wait_until(lambda: status.inner_text().startswith("Stopped."), 2)
    press(page, "Reset")
    wait_until(lambda: "Update 800 of 800" in status.inner_text() and "(pinned)" not in page.page.content(), 120)


def test_a_picture_of_ones_own(page):
    page.open("notebooks/playground.ipynb")
    page.run_until("live = Live(data)")
    page.show("Views(live)")
    page.command("notebook:run-cell")

    def drop(name, content):
        with page.page.expect_file_chooser() as chooser:
            page.page.get_by_role("button", name="Choose a picture").click()
        chooser.value.set_files({"name": name, "mimeType": "image/png", "buffer": content})

    drop("mine.png", picture())
    page.page.wait_for_selector("text=The network says")
    shoot(page, "picture")
    drop("large.bmp", picture((2500, 2000), "BMP"))  # 15 MB
    page.page.wait_for_function("document.querySelector('[alt=\"what it sees\"]')")
    drop("text.png", b"no picture")
    page.page.wait_for_selector("text=This file is no picture that can be read")
    drop("huge.png", b"\0" * 25_000_000)
    page.page.wait_for_selector("text=choose a picture of at most 20 MB")
    page.page.get_by_role("tab", name="Confusion").click()
    page.page.wait_for_selector("text=Rows: what the image is")
    shoot(page, "confusion")
