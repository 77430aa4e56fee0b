"""One look for all figures: template, colours, symbols, and how a figure says something in words."""

import plotly.graph_objects as go
import plotly.io as pio

# Okabe and Ito (2008), told apart by people with any of the common colour vision deficiencies. Yellow,
# too faint on white for small markers, comes last.
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK, YELLOW = "#E69F00", "#56B4E9", "#000000", "#F0E442"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK, YELLOW)
GREY = "#767676"
DARK = "#333333"
FAINT = "#A9B4BF"
REGION = "rgba(0, 114, 178, 0.07)"

# Cividis: its lightness grows evenly, so that it can be read in grey and with any colour vision.
SEQUENTIAL = "cividis"

# One symbol fewer than there are colours: cycling through both repeats a pair only after 56 categories.
SYMBOLS = ("circle", "diamond-open", "square", "x-thin-open", "triangle-up", "circle-open", "star")

WEBGL_ABOVE = 50_000
"""Number of points above which two-dimensional figures draw with WebGL."""

TEMPLATE_NAME = "fpanalysis"

_COLORBAR = {"thickness": 14, "outlinewidth": 0, "exponentformat": "power"}


def _template() -> go.layout.Template:
    axis = {
        "gridcolor": "#E6E6E6",
        "zerolinecolor": "#9A9A9A",
        "zerolinewidth": 1,
        "linecolor": "#5A5A5A",
        "showline": True,
        "ticks": "outside",
        "tickcolor": "#5A5A5A",
        "exponentformat": "power",
        "automargin": True,
        "title": {"standoff": 8},
    }
    scene_axis = {
        "gridcolor": "#D5D5D5",
        "zeroline": False,
        "linecolor": "#5A5A5A",
        "showbackground": False,
        "nticks": 6,
        "title": {"font": {"size": 11}},
        "tickfont": {"size": 10},
    }
    layout = go.Layout(
        font={"family": "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif", "size": 13, "color": "#222222"},
        colorway=list(PALETTE),
        colorscale={"sequential": SEQUENTIAL},
        paper_bgcolor="white",
        plot_bgcolor="white",
        title={
            "x": 0,
            "xref": "paper",
            "xanchor": "left",
            "y": 1,
            "yref": "container",
            "yanchor": "top",
            # Room for plotly's row of buttons, which lies over a title in narrow figures.
            "pad": {"t": 30, "b": 8},
            "automargin": True,
            "font": {"size": 16},
            "subtitle": {"font": {"size": 12, "color": GREY}},
        },
        # Below the data and across: beside it, a legend would take half of a narrow figure.
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 0,
            "yanchor": "bottom",
            "yref": "container",
        },
        margin={"l": 60, "r": 20, "t": 70, "b": 50},
        hoverlabel={"align": "left", "font": {"size": 12}},
        hovermode="closest",
        xaxis=axis,
        yaxis=axis,
        scene={"xaxis": scene_axis, "yaxis": scene_axis, "zaxis": scene_axis},
        coloraxis={"colorscale": SEQUENTIAL, "colorbar": _COLORBAR},
    )
    return go.layout.Template(layout=layout)


TEMPLATE = _template()
pio.templates[TEMPLATE_NAME] = TEMPLATE


def new_figure(title: str, notes: list[str]) -> go.Figure:
    """Return an empty figure with this title and, under it, the notes."""
    figure = go.Figure(layout={"template": TEMPLATE})
    figure.update_layout(title_text=title, legend_itemsizing="constant")
    if notes:
        figure.update_layout(title_subtitle_text="<br>".join(notes))
    return figure


def say(figure: go.Figure, text: str, y: float = 0.5) -> None:
    """Write `text` over a figure that has nothing to show there, at a fraction `y` of its height."""
    figure.add_annotation(
        text=text,
        x=0.5,
        y=y,
        xref="paper",
        yref="paper",
        showarrow=False,
        font={"size": 15},
        bgcolor="rgba(255, 255, 255, 0.85)",
        borderpad=6,
    )
