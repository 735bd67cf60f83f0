"""A drawing of concurrent learning: K sources, one optimizer, one theta."""

from l2o_kit.plots import BLACK, GREEN, GREY, VERMILION, Picture, new_figure

ALT = (
    "Drawing: theta goes to three sources. Source k gives its gradient d_k, weighed by "
    "lambda_k. Their sum enters the LSTM, whose update g_t moves the one theta. Only "
    "the clean loss of theta is counted."
)


def concurrent_picture() -> Picture:
    """Sources, weights, sum, LSTM, and theta, which all sources share."""
    figure, (ax,) = new_figure(9.0, 3.4)
    ax.set(xlim=(0, 100), ylim=(0, 40))
    ax.axis("off")
    _box(ax, 8, 20, "theta_t", BLACK)
    _box(ax, 72, 20, "LSTM", VERMILION)
    _box(ax, 54, 20, "+", GREY)
    for k, y in enumerate((34, 20, 6)):
        _box(ax, 29, y, f"source {k}", GREEN)
        _arrow(ax, (12, 20), (23, y))
        _arrow(ax, (35, y), (52, 20), f"lambda_{k} d_{k}")
    _arrow(ax, (56, 20), (68, 20), "d")
    _arrow(ax, (76, 20), (88, 20), "g_t")
    _box(ax, 94, 20, "theta_t+1", BLACK)
    ax.text(94, 8, "judged on\nthe clean loss", ha="center", va="center", color=GREY)
    _arrow(ax, (94, 17), (94, 11))
    return Picture(figure, ALT)


def _box(ax, x, y, text, colour):
    ax.text(
        x,
        y,
        text,
        ha="center",
        va="center",
        color=colour,
        weight="bold",
        fontsize=11,
        bbox={
            "boxstyle": "round,pad=0.5",
            "facecolor": "white",
            "edgecolor": colour,
            "linewidth": 1.6,
        },
    )


def _arrow(ax, start, end, label=""):
    ax.annotate(
        "",
        end,
        start,
        arrowprops={"arrowstyle": "-|>", "color": GREY, "linewidth": 1.4},
    )
    middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    if label:
        ax.text(
            *middle,
            label,
            ha="center",
            va="center",
            color=BLACK,
            fontsize=10,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
        )
