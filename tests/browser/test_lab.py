"""JupyterLab as a student meets it: the start page, a notebook, its exercises."""

from pathlib import Path

SHOTS = Path(__file__).parents[2] / "reports/build/screenshots"

WRONG = """def bn_forward(S, gamma, beta, eps):
    return gamma * (S - S.mean(axis=0)) / np.sqrt(S.var(axis=0, ddof=1) + eps) + beta


check(bn_forward)"""


def shoot(page, name, **how):
    """Take a screenshot, to be looked at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.page.screenshot(path=SHOTS / f"{name}.png", **how)


def test_lab_opens_on_the_start_page(page):
    page.open()
    assert "/lab/tree/notebooks/start.ipynb" in page.page.url
    page.page.get_by_role("heading", name="Which notebook for which exercise?").wait_for()
    shoot(page, "start")
    page.page.get_by_role("link", name="The playground").click()
    page.page.get_by_role("heading", name="A playground: what happens if").wait_for()


def test_notebook_05_and_its_exercise(page):
    """Equations have numbers, a link leads to one; a wrong answer is named, a right one is accepted."""
    page.open("notebooks/05-three-layers.ipynb")
    assert page.page.locator("mjx-mlabeledtr, mjx-labels").count()
    page.run_all()
    page.show("small_multiples")
    page.page.wait_for_selector(".jp-RenderedSVG img")
    shoot(page, "three-layers")
    page.command("apputils:change-theme", theme="JupyterLab Dark")
    page.page.wait_for_selector('body[data-jp-theme-light="false"]')
    assert page.page.locator(".jp-RenderedSVG img").first.evaluate("e => getComputedStyle(e).filter").startswith("inv")
    shoot(page, "three-layers-dark")
    page.command("apputils:change-theme", theme="JupyterLab Light")
    said = page.write("def bn_forward", WRONG)
    assert "Not right yet" in said and "n - 1" in said.replace("−", "-")
    shoot(page, "exercise")
    assert "Right!" in page.write("def bn_forward", WRONG.replace(", ddof=1", ""))
