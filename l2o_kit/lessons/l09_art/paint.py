"""Paint a photograph in a style, and walk through the steps: ``Paint``, ``PaintOwn``.

Above the content, the style and the two paintings, of a learned optimizer and of Adam
at its best rate; below their losses. Run paints; the slider of the step then only looks
at what was painted.
"""

import functools

import ipywidgets as widgets
import numpy as np
import torch

from l2o_kit import baselines
from l2o_kit.checkpoint import load, stored
from l2o_kit.data import stream
from l2o_kit.evaluate import start
from l2o_kit.lessons.l09_art import photographs, places, styles
from l2o_kit.lessons.l09_art.art import StyleTransfer
from l2o_kit.plots import BLACK, new_figure, plain_ticks, scale, style
from l2o_kit.teaching.controls import buttons, list_slider
from l2o_kit.teaching.run_panel import RunPanel
from l2o_kit.teaching.sweep import sweep

EVERY = 4  # steps from one frame to the next
PAINTERS = ("learned", "Adam")
TITLES = {"content": "recoloured content"}  # where the painting starts
LEARNED = "neural_art"
CONTENTS = ("china", "flower", "grace_hopper")
LOW, HIGH = 0.02, 3.0  # of the losses
WEIGHTS = {"style": 1.0, "content": 0.05, "tv": 0.2}


class Paint(RunPanel):
    """Choose content, style, size and weights; Run; then move the step."""

    title = "Paint a photograph in a style"
    strip = (
        {"style": "mosaic", "step": 0},
        {"style": "mosaic", "step": 128},
        {"style": "brush", "content": "grace_hopper", "step": 128},
    )

    def __init__(self, guess=None, projector=None):
        self.steps = places.STEPS
        super().__init__(guess, projector)

    def rehearse(self) -> str:
        """Sweep a fresh copy that paints a few steps only."""
        panel = type(self)()
        panel.steps = 2 * EVERY
        return sweep(panel)

    def make_controls(self):
        weight = functools.partial(
            widgets.FloatLogSlider,
            base=10,
            step=0.25,
            readout_format=".2g",
            continuous_update=False,
        )
        return {
            **self.make_choices(),
            "size": list_slider("pixels", [("64 x 64", 64), ("128 x 128", 128)]),
            "style weight": weight(1.0, min=-1, max=1, description="style weight"),
            "content weight": weight(
                10**-1.25, min=-2.5, max=0.5, description="content weight"
            ),
            "tv weight": weight(10**-0.75, min=-2, max=1, description="smoothness"),
            "step": widgets.IntSlider(
                places.STEPS, 0, places.STEPS, EVERY, description="step t"
            ),
        }

    def make_choices(self):
        """The content and the style."""
        content = list_slider("content", CONTENTS)
        known = (*styles.KNOWN, *styles.NEW)
        return {
            "content": content,
            "style": list_slider("style", known),
        }

    def pictures(self, state) -> tuple:
        """(content, style): pictures [3, height, width]."""
        region = photographs.regions("test")[CONTENTS.index(state["content"])]
        picture = photographs.square(region, state["size"])
        return picture, styles.style(state["style"])

    def style_name(self, state) -> str | None:
        """What the style is called, where it has a name."""
        return state["style"]

    def rate(self, state) -> float:
        """Adam's best rate at the nearest of the places where it was tuned."""
        new = self.style_name(state) not in styles.KNOWN
        place = "large" if state["size"] == 128 else "new" if new else "home"
        return adam_rate(place)

    def changed(self, _=None):
        """Another step is only looked at; all else puts the picture out of date."""
        state = self.state()
        if self.result and all(
            state[k] == self.result[k] for k in state if k != "step"
        ):
            self.show(self.result | {"step": state["step"]})
            self._say("")
            return
        super().changed()

    def work(self, state, job):
        """Both paint, side by side; frames are kept."""
        content, its_style = self.pictures(state)
        transfer = StyleTransfer(
            [its_style],
            [content],
            content_weight=state["content weight"],
            style_weight=state["style weight"],
            tv_weight=state["tv weight"],
        )
        adam = places.rival("Adam", self.rate(state))
        rules = {"learned": load(LEARNED), "Adam": adam}
        result = state | {
            "style picture": its_style,
            "frames": {},
            "losses": {},
            "steps": self.steps,
        }
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # leaves a core to the browser
        try:
            for k, (name, rule) in enumerate(rules.items()):
                frames, losses = self.paint(transfer, rule, job, k / len(rules))
                result["frames"][name], result["losses"][name] = frames, losses
        finally:
            torch.set_num_threads(threads)
        return result | {"step": self.controls["step"].value}

    @torch.no_grad()
    def paint(self, transfer, rule, job, done: float):
        """(frames [shot, height, width, 3], losses [step + 1]) of one painter."""
        painting = transfer.sample(1, stream(0, "paint"))
        theta = painting.theta0.clone()
        step, frames, losses = start(rule, theta), [], []
        for t in range(self.steps + 1):
            if t % EVERY == 0:
                frames.append(painting.images(theta)[0].permute(1, 2, 0).numpy().copy())
            loss, grad = painting.value_and_grad(theta)
            losses.append(float(loss))
            step(grad)
            job.step(done + t / self.steps / len(PAINTERS))
        return np.array(frames), np.array(losses)

    def make_figure(self):
        """Four pictures above, the losses below."""
        figure, _ = new_figure(10.0, 5.6)
        figure.clear()
        grid = figure.add_gridspec(2, 4, height_ratios=(3, 2))
        self.images = {}
        for k, name in enumerate(("content", "style", *PAINTERS)):
            ax = figure.add_subplot(grid[0, k])
            ax.axis("off")
            ax.set_title(TITLES.get(name, name), fontsize=12)
            self.images[name] = ax.imshow(np.full((2, 2, 3), 0.9), extent=(0, 1, 0, 1))
        below = figure.add_subplot(grid[1, :])
        below.grid(True, color="#dddddd", linewidth=0.6)
        below.spines[["top", "right"]].set_visible(False)
        steps = np.arange(places.STEPS + 1)
        self.lines = {
            name: below.plot(steps, np.ones(len(steps)), **style(name))[0]
            for name in PAINTERS
        }
        (self.now,) = below.plot(
            [0, 0], [LOW / 10, 10 * HIGH], color=BLACK, linewidth=1
        )
        scale(below.xaxis, "step t", 0, places.STEPS)
        scale(below.yaxis, "loss f(theta_t)", LOW, HIGH, "log")
        plain_ticks(below.yaxis, (0.03, 0.1, 0.3, 1))
        below.legend(loc="upper right", frameon=False)
        return figure, [*self.images.values(), *self.lines.values(), self.now]

    def draw(self, result):
        shot = frame(result)
        self.images["content"].set_data(result["frames"]["learned"][0])
        picture = result["style picture"].permute(1, 2, 0).numpy()
        self.images["style"].set_data(picture)
        for name in PAINTERS:
            self.images[name].set_data(result["frames"][name][shot])
            losses = result["losses"][name]
            self.lines[name].set_data(
                np.arange(len(losses)), np.clip(losses, LOW / 2, 2 * HIGH)
            )
        self.now.set_xdata([shot * EVERY] * 2)

    def data(self):
        """The pixels of the pictures, too."""
        pictures = [image.get_array() for image in self.images.values()]
        return np.concatenate([super().data(), *(p.ravel() for p in pictures)])

    def describe(self, result):
        t = frame(result) * EVERY
        said = ", ".join(
            f"{name} {losses[t]:.3f} (mean of all steps {losses[1:].mean():.3f})"
            for name, losses in result["losses"].items()
        )
        return f"{self.subject(result)}, step {t}: the loss is {said}."

    def subject(self, result) -> str:
        """What is painted, in words."""
        return (
            f"{result['content']} in {result['style']}, {result['size']} pixels, "
            f"weights {result['style weight']:.2g}, {result['content weight']:.2g}, "
            f"{result['tv weight']:.2g}"
        )

    def numbers(self, result):
        at = [t for t in (0, 8, 16, 32, 64, 128) if t <= result["steps"]]
        rows = [
            [name, *(f"{losses[t]:.3f}" for t in at)]
            for name, losses in result["losses"].items()
        ]
        return ["loss at step", *map(str, at)], rows


class PaintOwn(Paint):
    """The same with a picture of your own, as the content or as the style."""

    title = "Paint your own picture"
    strip = ({"other": "waves"}, {"role": "style", "other": "china"})
    own, uploads = None, 0  # what was uploaded, [3, height, width]; how often

    def make_choices(self):
        """What your picture is to be, and what the other one is."""
        role = buttons("yours is", ["content", "style"])
        known = (*styles.KNOWN, *styles.NEW)
        return {
            "role": role,
            "other": list_slider("the other picture", [*known, *CONTENTS[::2]]),
        }

    def state(self):
        """The controls, and which upload it is."""
        return super().state() | {"uploads": self.uploads}

    def pictures(self, state):
        """Yours, or a photograph of the kit's while there is none."""
        yours = photographs.regions("test")[-1] if self.own is None else self.own
        name = state["other"]
        other = (
            styles.style(name)
            if name in (*styles.KNOWN, *styles.NEW)
            else photographs.regions("test")[CONTENTS.index(name)]
        )
        content, its_style = (yours, other)[:: 1 if state["role"] == "content" else -1]
        return photographs.square(content, state["size"]), its_style

    def style_name(self, state):
        """The other picture's, where yours is the content."""
        return state["other"] if state["role"] == "content" else None

    def subject(self, result):
        """Whose is what."""
        yours = "your picture" if result["uploads"] else "an example"
        return (
            f"{yours} as {result['role']}, {result['other']}, {result['size']} pixels"
        )

    def uploaded(self, change):
        """Take a picture up; a bad one changes nothing, and says why."""
        if not change["new"]:
            return
        try:
            content = bytes(change["new"][0]["content"])
            self.own = photographs.open_picture(content, longest=256)
            self.uploads += 1
        except ValueError as error:
            self._say(f"{error} The picture from before is kept.", alarm=True)
            return
        if self.result is None:
            self._say("Your picture is here: press Run.")
        else:
            self.changed()

    def _make_widgets(self, projector):
        super()._make_widgets(projector)
        self.upload = widgets.FileUpload(
            accept="image/*", description="Your picture", layout={"width": "auto"}
        )
        self.upload.observe(self.uploaded, names="value")

    def _control_rows(self):
        return [self.upload, *super()._control_rows()]


def frame(result) -> int:
    """The number of the frame that the step shows."""
    return min(result["step"], result["steps"]) // EVERY


@functools.cache
def adam_rate(place: str) -> float:
    """Adam's best rate for the mean loss at a place of the gallery."""
    rates = stored(f"gallery_{place}", __file__)["rates"]
    return float(rates[list(baselines.RULES).index("Adam")])
